"""One recovery, written five ways; ``python -m examples`` runs them all."""

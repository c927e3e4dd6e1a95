"""``python -m antiphon_benchmarks``, with ``benchmarks/`` on the path."""

from antiphon_benchmarks.cli import main

main()

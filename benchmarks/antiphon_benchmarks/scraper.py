"""A scraper: asks for metrics each second, more often than Prometheus would, until terminated."""

from __future__ import annotations

import sys
import time
import urllib.request

from antiphon_benchmarks.cores import leave_core

EVERY_SECONDS = 1.0


def main() -> None:
    """Ask the address that is the only argument."""
    leave_core()
    while True:
        with urllib.request.urlopen(sys.argv[1]) as answer:
            if b"antiphon_" not in answer.read():
                raise RuntimeError(f"no metrics of Antiphon at {sys.argv[1]}")
        time.sleep(EVERY_SECONDS)


if __name__ == "__main__":
    main()

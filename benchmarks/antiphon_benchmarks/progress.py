"""Waiting for a run to get somewhere, without hiding a worker that died."""

from __future__ import annotations

import time
from collections.abc import Callable

from antiphon_benchmarks.worker import Worker

PATIENCE_SECONDS = 900.0


def wait_until(done: Callable[[], bool], *, worker: Worker, every: float) -> None:
    """Look again and again until it is done.

    Args:
        done: Looked at once and then every `every` seconds.
        worker: Checked at each look.
        every: Seconds between looks.

    Raises:
        WorkerEndedError: The worker ended first.
        TimeoutError: It took longer than `PATIENCE_SECONDS`.
    """
    limit = time.perf_counter() + PATIENCE_SECONDS
    while not done():
        worker.check()
        if time.perf_counter() > limit:
            raise TimeoutError(f"no result after {PATIENCE_SECONDS:.0f} s")
        time.sleep(every)

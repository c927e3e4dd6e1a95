"""Where processes run: the worker on one core, the server on another."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """A core for each role; None where the platform does not let us choose."""

    worker: int | None
    server: int | None
    driver: int | None

    @classmethod
    def available(cls) -> Cores:
        """Share out the cores this process may use; with two, driver and server share one."""
        if not hasattr(os, "sched_getaffinity"):
            return cls(None, None, None)
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            return cls(None, None, None)
        return cls(worker=usable[0], server=usable[1], driver=usable[min(2, len(usable) - 1)])


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this thread, and every process it starts meanwhile, on one core."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def leave_core() -> None:
    """Run on other cores than it was started on: what watches a worker is not to share its core."""
    if hasattr(os, "sched_getaffinity"):
        others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        if others:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, others)

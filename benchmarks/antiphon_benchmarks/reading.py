"""A reading of the three clocks: the wall's, the worker's and the server's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

from antiphon_benchmarks.site import Site
from antiphon_benchmarks.worker import Worker


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds on each clock; only differences mean anything.

    Attributes:
        wall: Monotonic time.
        worker: Processor time of the worker, all threads.
        server: Processor time of the server, all threads.
    """

    wall: float
    worker: float
    server: float

    @classmethod
    def take(cls, site: Site, worker: Worker) -> Self:
        """Read all three now."""
        return cls(time.perf_counter(), worker.cpu_seconds(), site.probe.cpu_seconds())

    def __sub__(self, earlier: Reading) -> Reading:
        return Reading(
            self.wall - earlier.wall, self.worker - earlier.worker, self.server - earlier.server
        )

"""Latency at rest: one failure at a time, from publish to its completion read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from redis.asyncio import Redis

from antiphon_benchmarks.contenders.contender import Publish
from antiphon_benchmarks.failure import subjects
from antiphon_benchmarks.plan import HOP
from antiphon_benchmarks.progress import wait_until
from antiphon_benchmarks.scenarios.scenario import Metric
from antiphon_benchmarks.site import Site

#: Round trips before the measured ones, for caches and connections.
WARM_UP = 50
#: A completion later than this is a failure of the contender.
LIMIT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a lone failure waits for its completion."""

    samples: int
    name = "latency"
    metrics = (
        Metric("p50_ms", "p50 ms", "lower", 2),
        Metric("p95_ms", "p95 ms", "lower", 2),
        Metric("p99_ms", "p99 ms", "lower", 2),
    )

    @property
    def about(self) -> str:
        """What was measured."""
        return f"{self.samples:,} failures one at a time, publish to completion read"

    def measure(self, site: Site) -> Mapping[str, float]:
        """Publish and await, one by one, against one idle worker."""
        key = site.contender.stream(HOP.first)
        with site.worker(HOP) as worker:
            worker.go()
            wait_until(lambda: site.probe.groups(key) > 0, worker=worker, every=0.01)
            taken = asyncio.run(_round_trips(site, WARM_UP + self.samples))[WARM_UP:]
        cuts = quantiles(taken, n=100, method="inclusive")
        return {
            "p50_ms": cuts[49] * 1e3,
            "p95_ms": cuts[94] * 1e3,
            "p99_ms": cuts[98] * 1e3,
            "max_ms": max(taken) * 1e3,
        }


async def _round_trips(site: Site, count: int) -> list[float]:
    reader = Redis.from_url(site.url, socket_timeout=LIMIT_MS / 1000 + 5)
    completions = _Completions(reader, site.contender.stream(HOP.last))
    try:
        async with site.contender.publisher(site.url, HOP) as publish:
            return [await completions.round_trip(publish, name) for name in subjects(count)]
    finally:
        await reader.aclose()


class _Completions:
    """The completion stream, read one entry at a time."""

    def __init__(self, reader: Any, stream: str) -> None:
        self._reader = reader
        self._stream = stream
        self._last: bytes | str = "0-0"

    async def round_trip(self, publish: Publish, subject: str) -> float:
        """Publish, and return the seconds until the next completion is here."""
        seen = asyncio.create_task(self._next())
        await asyncio.sleep(0)  # the read is on its way before the clock starts
        begun = time.perf_counter()
        await publish([subject])
        return await seen - begun

    async def _next(self) -> float:
        found = await self._reader.xread({self._stream: self._last}, count=1, block=LIMIT_MS)
        now = time.perf_counter()
        if not found:
            raise TimeoutError(f"no completion in {self._stream} after {LIMIT_MS} ms")
        ((_, ((self._last, _),)),) = found
        return now

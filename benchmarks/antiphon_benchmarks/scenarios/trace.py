"""Trace: how long it takes to read, build and draw a recovery, large or among many."""

from __future__ import annotations

import asyncio
import io
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from redis import Redis
from rich.console import Console

from antiphon import Settings
from antiphon.broker.connection import opened
from antiphon.broker.reading import RedisReading
from antiphon.keys import Keys
from antiphon.trace.picture import Picture
from antiphon_benchmarks.scenarios.scenario import Metric
from antiphon_benchmarks.site import Site

CELL = "traces"
LANES = 10
SMALL = 10
LOOKS = 15
BEGAN_MS = 1_790_000_000_000
BATCH = 20_000
#: Rows of each of the other recoveries: what ten events leave.
ROWS = 3 * SMALL
WIDTH = 120

Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Tracing:
    """Whether a long recovery is drawn quickly, and a short one whatever else is recorded."""

    events: int
    others: int
    name = "trace"
    metrics = (
        Metric("command_s", "antiphon trace, large, s", "lower", 2),
        Metric("command_cpu_s", "processor time of it, s", "lower", 2),
        Metric("large_read_s", "of it reading", "lower", 2),
        Metric("large_build_s", "building", "lower", 2),
        Metric("large_draw_s", "drawing", "lower", 2),
        Metric("small_alone_ms", "small, alone, ms", "lower", 1),
        Metric("small_among_ms", "small, among others, ms", "lower", 1),
    )

    @property
    def about(self) -> str:
        """What was measured."""
        return (
            f"a recovery of {self.events:,} events, and one of {SMALL} before and after "
            f"{self.others:,} ledger entries of others"
        )

    def measure(self, site: Site) -> Mapping[str, float]:
        """Write the ledgers and look at them."""
        keys = Keys(CELL)
        with Redis.from_url(site.url) as client:
            _write(client, keys, "large", self.events)
            _write(client, keys, "small", SMALL)
            alone = asyncio.run(_looks(site.url, "small"))
            for number in range(self.others // ROWS):
                _write(client, keys, f"other-{number}", SMALL)
            among = asyncio.run(_looks(site.url, "small"))
        read, build, draw = asyncio.run(_parts(site.url, "large"))
        wall, processor = min(_command(site.url, "large") for _ in range(3))
        return {
            "command_s": wall,
            "command_cpu_s": processor,
            "large_read_s": read,
            "large_build_s": build,
            "large_draw_s": draw,
            "small_alone_ms": alone * 1e3,
            "small_among_ms": among * 1e3,
        }


async def _looks(url: str, name: str) -> float:
    """Return the median of a few looks, in seconds; the first also connects, and is left out."""
    looks = [sum(await _parts(url, name)) for _ in range(LOOKS + 1)]
    return median(looks[1:])


async def _parts(url: str, name: str) -> tuple[float, float, float]:
    """Return how long reading, building and drawing took, in seconds."""
    settings = Settings(redis_url=url, cell=CELL)
    async with opened(settings) as client:
        reading = RedisReading(client, Keys(CELL))
        began = time.perf_counter()
        record = await reading.record(name)
        read = time.perf_counter()
        assert record is not None, name
        trace = record.trace()
        built = time.perf_counter()
        Console(file=io.StringIO(), width=WIDTH).print(Picture(trace), crop=False)
        drawn = time.perf_counter()
    return read - began, built - read, drawn - built


def _command(url: str, name: str) -> tuple[float, float]:
    """Return how long the command takes as its user runs it, and its processor time, in seconds."""
    began, spent = time.perf_counter(), _children()
    subprocess.run(
        [sys.executable, "-m", "antiphon", "trace", name, "--url", url, "--cell", CELL],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": str(WIDTH)},
    )
    return time.perf_counter() - began, _children() - spent


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _write(client: Redis, keys: Keys, name: str, events: int) -> None:
    """Write a recovery as the scripts leave it: its rows, and its summary."""
    ledger, at = keys.ledger(name), BEGAN_MS
    pipe = client.pipeline(transaction=False)
    for sequence, (at, row) in enumerate(_rows(name, events), 1):
        pipe.xadd(ledger, {**row}, id=f"{at}-{sequence}")
        if sequence % BATCH == 0:
            pipe.execute()
    pipe.hset(
        keys.recovery(name),
        mapping={
            "status": "closed",
            "verdict": "completed",
            "type": "service.failed",
            "subject": "orders",
            "opened": BEGAN_MS,
            "closed": at,
            "closes": 1,
            "events": events,
            "done": events,
        },
    )
    pipe.execute()


def _rows(name: str, events: int) -> Iterator[tuple[int, Row]]:
    """Say every row: the failure begins lanes, and each event of a lane brings the next."""
    at, count = BEGAN_MS, 0

    def published(subject: str, cause: str, by: str) -> tuple[Row, str]:
        nonlocal count
        count += 1
        event = f"{name}-{count:08}"
        kind = "step.taken" if cause else "service.failed"
        known = {"event": event, "type": kind, "subject": subject, "entry": f"{at}-{count}"}
        return {"kind": "published", **known, "cause": cause, "by": by, "to": "shop.go_on"}, event

    first, root = published("orders", "", "")
    yield at, {"kind": "opened", "event": root, "type": "service.failed", "subject": "orders"}
    yield at, first
    lanes = [(root, f"{at}-1")]
    while count < events:
        following = []
        for event, entry in lanes:
            work: Row = {
                "group": "shop.go_on",
                "event": event,
                "entry": entry,
                "attempt": 1,
                "consumer": f"worker-{count % 4}",
            }
            at += 1
            yield at, {"kind": "started", **work, "type": "step.taken", "subject": "lane"}
            at += 2
            yield at, {"kind": "completed", **work, "ms": 2}
            brings = LANES if event == root else 1
            for lane in range(min(brings, events - count)):
                row, brought = published(f"lane-{lane}", event, "shop.go_on")
                yield at, row
                following.append((brought, f"{at}-{count}"))
        lanes = following
    yield at, {"kind": "closed", "verdict": "completed", "done": count, "dead": 0}

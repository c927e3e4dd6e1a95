"""FastStream as its documentation shows it: a group subscriber that returns the completion.

No guards: one attempt, no deduplication, no record. Logging is switched off, which
flatters it. Entries are handled one after another: `max_workers=100` measured slower,
and strands what it has read but not started when the worker stops.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

from antiphon_benchmarks.contenders.contender import Publish
from antiphon_benchmarks.contenders.fact import Fact
from antiphon_benchmarks.failure import REASON
from antiphon_benchmarks.plan import Plan

#: Entries in one read. Unset, FastStream reads the whole backlog into one consumer.
MAX_RECORDS = 100


def stream(event_type: str) -> str:
    """Return the key of the stream that carries a type."""
    return f"faststream:{event_type}"


def quiet_broker(url: str) -> RedisBroker:
    """Return a broker that logs nothing."""
    return RedisBroker(url, logger=None)  # type: ignore[arg-type]  # documented, typed too narrowly


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build an application with a subscriber for each hop and handler."""
    broker = quiet_broker(url)
    for source, target in plan.links:
        for number in range(plan.handlers):
            _subscribe(broker, source, target, group=f"bench-{number}")
    return FastStream(broker, logger=None).run


@asynccontextmanager
async def publisher(url: str, plan: Plan) -> AsyncIterator[Publish]:
    """Publish in FastStream's own format, many to a round trip."""
    broker = quiet_broker(url)
    client = await broker.connect()
    key = stream(plan.first)

    async def publish(subjects: Sequence[str]) -> None:
        pipeline = client.pipeline(transaction=False)
        for subject in subjects:
            fact = Fact(subject=subject, reason=REASON)
            await broker.publish(fact, stream=key, pipeline=pipeline)
        await pipeline.execute()

    try:
        yield publish
    finally:
        await broker.stop()


def _subscribe(broker: RedisBroker, source: str, target: str, *, group: str) -> None:
    waiting = StreamSub(stream(source), group=group, consumer="worker", max_records=MAX_RECORDS)

    @broker.subscriber(stream=waiting)
    @broker.publisher(stream=stream(target))
    async def answer(failed: Fact) -> Fact:
        return Fact(subject=failed.subject)

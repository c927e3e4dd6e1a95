"""FastStream's batch subscriber: the whole batch is published, then acknowledged, at once.

One bad entry fails its whole batch, and none of it is ever redelivered: fast, and only
an upper bound. Logging is switched off.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.annotations import Pipeline

from antiphon_benchmarks.contenders.fact import Fact
from antiphon_benchmarks.contenders.faststream import (
    MAX_RECORDS,
    publisher,
    quiet_broker,
    stream,
)
from antiphon_benchmarks.plan import Plan

__all__ = ["publisher", "stream", "worker"]


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build an application with a batch subscriber for each hop and handler."""
    broker = quiet_broker(url)
    for source, target in plan.links:
        for number in range(plan.handlers):
            _subscribe(broker, source, target, group=f"bench-{number}")
    return FastStream(broker, logger=None).run


def _subscribe(broker: RedisBroker, source: str, target: str, *, group: str) -> None:
    waiting = StreamSub(
        stream(source), group=group, consumer="worker", max_records=MAX_RECORDS, batch=True
    )

    @broker.subscriber(stream=waiting)
    async def answer(batch: list[Fact], pipeline: Pipeline) -> None:
        for failed in batch:
            completion = Fact(subject=failed.subject)
            await broker.publish(completion, stream=stream(target), pipeline=pipeline)
        await pipeline.execute()

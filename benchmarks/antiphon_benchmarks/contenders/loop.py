"""The floor: a hand-written asyncio loop over redis-py, with no guards at all.

Reads up to 100 entries, runs a task for each, then publishes every completion and
acknowledges the batch in one transaction. One attempt, no deduplication, no record, no logs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from antiphon_benchmarks.contenders.contender import Publish
from antiphon_benchmarks.contenders.fact import Fact
from antiphon_benchmarks.failure import REASON
from antiphon_benchmarks.plan import Plan

BATCH = 100
BLOCK_MS = 10_000

Fields = Mapping[bytes, bytes]


def stream(event_type: str) -> str:
    """Return the key of the stream that carries a type."""
    return f"loop:{event_type}"


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build one loop for each handler, or one over all streams of a chain."""

    async def run() -> None:
        answers = {stream(source): target for source, target in plan.links}
        loops = (_answer(url, f"loop-{number}", answers) for number in range(plan.handlers))
        await asyncio.gather(*loops)

    return run


@asynccontextmanager
async def publisher(url: str, plan: Plan) -> AsyncIterator[Publish]:
    """Publish with XADD, many to a round trip."""
    client = Redis.from_url(url)
    key = stream(plan.first)

    async def publish(subjects: Sequence[str]) -> None:
        pipeline = client.pipeline(transaction=False)
        for subject in subjects:
            pipeline.xadd(key, _fields(Fact(subject=subject, reason=REASON), uuid4().hex))
        await pipeline.execute()

    try:
        yield publish
    finally:
        await client.aclose()


async def _answer(url: str, group: str, answers: Mapping[str, str]) -> None:
    # A read may block for longer than the client's own timeout, which costs a timer a reply.
    client = Redis.from_url(url, socket_timeout=None)
    for key in answers:
        await _make_group(client, key, group)
    waiting: dict[Any, Any] = dict.fromkeys(answers, ">")
    while True:
        batches: Any = await client.xreadgroup(
            group, "worker", waiting, count=BATCH, block=BLOCK_MS
        )
        for key, entries in batches:
            name = key.decode()
            await _answer_batch(client, name, group, answers[name], entries)


async def _answer_batch(
    client: Redis, key: str, group: str, target: str, entries: Sequence[tuple[bytes, Fields]]
) -> None:
    completions = await asyncio.gather(*(_handle(fields) for _, fields in entries))
    pipeline = client.pipeline(transaction=True)
    for completion in completions:
        pipeline.xadd(stream(target), completion)
    pipeline.xack(key, group, *(entry_id for entry_id, _ in entries))
    await pipeline.execute()


async def _handle(fields: Fields) -> dict[Any, Any]:
    failed = Fact.model_validate_json(fields[b"data"])
    return _fields(Fact(subject=failed.subject), fields[b"correlationid"])


def _fields(fact: Fact, correlation_id: str | bytes) -> dict[Any, Any]:
    return {"correlationid": correlation_id, "data": fact.model_dump_json()}


async def _make_group(client: Redis, key: str, group: str) -> None:
    try:
        await client.xgroup_create(key, group, id="0", mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise

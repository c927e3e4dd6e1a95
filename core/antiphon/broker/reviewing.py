"""A review made from what a cell keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from redis.asyncio import Redis

from antiphon.broker.auditing import read_audit
from antiphon.broker.clock import now_ms
from antiphon.broker.faults import telling
from antiphon.broker.history import RedisHistory
from antiphon.duration import milliseconds
from antiphon.errors import AntiphonError
from antiphon.instants import instant
from antiphon.keys import Keys
from antiphon.report.quarter import Sources
from antiphon.report.review import Review
from antiphon.settings import Settings

_LONGEST = timedelta(days=3660)


async def reviewed(
    client: Redis, settings: Settings, span: timedelta, step: Callable[..., None]
) -> tuple[Review, Sources]:
    """Review all recoveries that opened within a span of time up to now.

    Args:
        client: A client that does not decode.
        settings: The cell, and how long things are kept.
        span: How far back; at most ten years.
        step: Called with `total=` once, and then after each recovery.

    Raises:
        AntiphonError: The span is too long.
        StreamUnavailable: The server does not answer.
        ConfigurationError: It refuses our name, password or permissions.
    """
    if not timedelta() < span <= _LONGEST:
        raise AntiphonError(f"--since {span} is no span to review: more than 0, at most 3660d")
    keys = Keys(settings.cell)
    history = RedisHistory(client, keys)
    with telling("reading the server's clock"):
        now = instant(await now_ms(client))
    since = now - span
    step(total=await history.count(since))
    review = Review(since=since, until=now)
    async for digest in history.digests(since):
        if digest is not None:
            review.add(digest)
        step()
    reach = await history.reach(since, settings.history_limit)
    recorded = now - timedelta(milliseconds=milliseconds(settings.record_retention))
    whole = recorded
    # What closed since the last filing may have expired before anybody files again.
    stands = reach.filed is not None and reach.filed < recorded
    if settings.history_retention is not None and reach.history is not None and not stands:
        whole = min(recorded, max(reach.history, now - settings.history_retention))
    return review, Sources(
        now=now,
        recorded_since=recorded,
        whole_since=whole,
        filing=settings.history_retention is not None,
        full_days=reach.full,
        unreadable=history.unreadable,
        damaged=tuple(history.damaged),
        stands_since=reach.filed if stands else None,
        audit=await read_audit(client, keys, since),
    )

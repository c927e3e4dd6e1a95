"""The commands that read records back. They write nothing.

The functions let the server's errors through; `RedisReading` turns them into Antiphon's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from redis.asyncio import Redis

from antiphon.broker.clock import now_ms
from antiphon.broker.faults import telling
from antiphon.duration import milliseconds
from antiphon.instants import instant
from antiphon.keys import Keys
from antiphon.ledger import Entry
from antiphon.records import Record, Status
from antiphon.summary import Summary

_PAGE = 200
"""Recoveries, or rows of a large ledger, that are read in one round trip."""

_Row = tuple[bytes, Mapping[bytes, bytes]]


async def read_recovery(client: Redis, keys: Keys, correlation_id: str) -> Summary | None:
    """Read the summary of a recovery; None when there is none, or no longer."""
    row = await cast("Awaitable[dict[bytes, bytes]]", client.hgetall(keys.recovery(correlation_id)))
    return Summary.from_hash(correlation_id, row) if row else None


async def read_ledger(client: Redis, keys: Keys, correlation_id: str) -> tuple[Entry, ...]:
    """Read every row of a recovery's ledger, in order."""
    return _ledger(await cast("Awaitable[list[_Row]]", client.xrange(keys.ledger(correlation_id))))


async def read_outstanding(client: Redis, keys: Keys, correlation_id: str) -> tuple[str, ...]:
    """Read what a recovery still waits for, each `type|entry|group`, sorted."""
    return _outstanding(
        await cast("Awaitable[set[bytes]]", client.smembers(keys.outstanding(correlation_id)))
    )


async def read_record(client: Redis, keys: Keys, correlation_id: str) -> Record | None:
    """Read all of a recovery in one transaction, so that its parts belong together."""
    async with client.pipeline(transaction=True) as pipe:
        pipe.hgetall(keys.recovery(correlation_id))
        pipe.xrange(keys.ledger(correlation_id))
        pipe.smembers(keys.outstanding(correlation_id))
        pipe.time()
        row, ledger, outstanding, (seconds, microseconds) = await pipe.execute()
    if not row:
        return None
    return Record(
        summary=Summary.from_hash(correlation_id, row),
        ledger=_ledger(ledger),
        outstanding=_outstanding(outstanding),
        read_at=instant(int(seconds) * 1000 + int(microseconds) // 1000),
    )


async def read_record_gently(client: Redis, keys: Keys, correlation_id: str) -> Record | None:
    """Read all of a recovery page by page, so that a large one does not keep others waiting.

    What happens meanwhile may be in the ledger and not yet in the summary.
    """
    async with client.pipeline(transaction=True) as pipe:
        pipe.hgetall(keys.recovery(correlation_id))
        pipe.smembers(keys.outstanding(correlation_id))
        pipe.time()
        row, outstanding, (seconds, microseconds) = await pipe.execute()
    if not row:
        return None
    ledger, first = list[Entry](), "-"
    while True:
        page = cast(
            "list[_Row]", await client.xrange(keys.ledger(correlation_id), first, "+", count=_PAGE)
        )
        ledger.extend(_ledger(page))
        if len(page) < _PAGE:
            break
        first = f"({ledger[-1].id}"
    return Record(
        summary=Summary.from_hash(correlation_id, row),
        ledger=tuple(ledger),
        outstanding=_outstanding(outstanding),
        read_at=instant(int(seconds) * 1000 + int(microseconds) // 1000),
    )


async def list_recoveries(
    client: Redis,
    keys: Keys,
    *,
    status: Status | None = None,
    subject: str | None = None,
    since: timedelta | None = None,
    limit: int = 50,
) -> list[Summary]:
    """List recoveries, the newest first; unless a subject is given, open ones lead.

    Takes a round trip for every 200 it looks through, and looks through no more than it must.

    Args:
        client: A client that does not decode.
        keys: The cell's keys.
        status: Only open ones, or only those closed with this verdict.
        subject: Only those opened by an event about this.
        since: Only those that were still open this long ago, or later.
        limit: At most so many.
    """
    oldest = None if since is None else await _ago(client, since)
    found: list[Summary] = []
    for index, scored_by_end in _indexes(keys, status, subject):
        floor = oldest if scored_by_end else None
        async for summary in _summaries(client, keys, index, floor):
            if len(found) == limit:
                return found
            if _matches(summary, status, oldest):
                found.append(summary)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPage:
    """Some rows of a ledger."""

    entries: tuple[Entry, ...]
    rows: int
    """How many there are in all."""

    previous: str
    """The id of the row with which the page before begins; empty when there is none."""

    following: str


@dataclass(frozen=True, slots=True)
class RedisReading:
    """The records of one cell, behind an open client that does not decode.

    Raises:
        StreamUnavailable: From every method, when the server cannot be reached or cannot answer.
        ConfigurationError: From every one, when it refuses our name, password or permissions.
    """

    client: Redis
    keys: Keys

    async def record(self, correlation_id: str) -> Record | None:
        """Read one record as of one instant."""
        with telling(f"reading the recovery {correlation_id}"):
            return await read_record(self.client, self.keys, correlation_id)

    async def summary(self, correlation_id: str) -> Summary | None:
        """Read the summary of one record."""
        with telling(f"reading the recovery {correlation_id}"):
            return await read_recovery(self.client, self.keys, correlation_id)

    async def ledger_page(self, correlation_id: str, *, start: str, limit: int) -> LedgerPage:
        """Read some rows of a ledger, from the row of an id on; from the first if it is empty."""
        key = self.keys.ledger(correlation_id)
        with telling(f"reading the recovery {correlation_id}"):
            async with self.client.pipeline(transaction=True) as pipe:
                pipe.xrange(key, start or "-", "+", limit + 1)
                pipe.xrevrange(key, f"({start}" if start else "-", "-", limit)
                pipe.xlen(key)
                rows, before, length = await pipe.execute()
        names = [entry_id.decode() for entry_id, _ in rows]
        return LedgerPage(
            entries=_ledger(rows[:limit]),
            rows=length,
            previous=before[-1][0].decode() if before and start else "",
            following=names[limit] if len(names) > limit else "",
        )

    async def recoveries(
        self, *, status: Status | None, subject: str | None, since: timedelta | None, limit: int
    ) -> list[Summary]:
        """List recoveries."""
        with telling("listing recoveries"):
            return await list_recoveries(
                self.client, self.keys, status=status, subject=subject, since=since, limit=limit
            )


def _indexes(keys: Keys, status: Status | None, subject: str | None) -> list[tuple[str, bool]]:
    """Name the indexes to look through, and whether their scores tell when recoveries ended."""
    if subject is not None:
        return [(keys.subject_recoveries(subject), False)]
    both = {"open": (keys.open_recoveries, False), "closed": (keys.closed_recoveries, True)}
    match status:
        case None:
            return list(both.values())
        case "open":
            return [both["open"]]
        case _:
            return [both["closed"]]


async def _summaries(
    client: Redis, keys: Keys, index: str, oldest: datetime | None
) -> AsyncIterator[Summary]:
    """Read the summaries an index names, newest first; one whose summary expired is passed over."""
    lowest = "-inf" if oldest is None else str(int(oldest.timestamp() * 1000))
    offset = 0
    while True:
        page = await cast(
            "Awaitable[list[bytes]]",
            client.zrange(index, "+inf", lowest, desc=True, byscore=True, offset=offset, num=_PAGE),
        )
        names = [name.decode("utf-8", "replace") for name in page]
        async with client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(keys.recovery(name))
            rows: list[dict[bytes, bytes]] = await pipe.execute()
        for name, row in zip(names, rows, strict=True):
            if row:
                yield Summary.from_hash(name, row)
        if len(page) < _PAGE:
            return
        offset += _PAGE


def _matches(summary: Summary, status: Status | None, oldest: datetime | None) -> bool:
    if status is not None and status != (summary.verdict or summary.status):
        return False
    return oldest is None or summary.closed is None or summary.closed >= oldest


async def _ago(client: Redis, length: timedelta) -> datetime:
    """Reckon an instant in the past by the clock that made the scores."""
    return instant(max(await now_ms(client) - milliseconds(length), 0))


def _ledger(rows: Iterable[tuple[bytes, Any]]) -> tuple[Entry, ...]:
    return tuple(Entry.from_row(entry_id, row) for entry_id, row in rows)


def _outstanding(members: Iterable[bytes]) -> tuple[str, ...]:
    return tuple(sorted(member.decode("utf-8", "replace") for member in members))

"""The history of a cell: a digest of every recovery, read back, and filed before its record goes.

Each digest is a field of the hash of the day on which its recovery opened. That day never changes,
so a recovery that closes again, or is filed by two workers, replaces its own digest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from antiphon.broker.clock import now_ms
from antiphon.broker.faults import telling
from antiphon.broker.reading import read_record
from antiphon.errors import PermanentError
from antiphon.instants import EPOCH, instant
from antiphon.keys import Keys
from antiphon.records import Record
from antiphon.report.digest import Digest
from antiphon.trace import Trace

_PAGE = 200
_A_DAY = timedelta(days=1)

FILED, SWEPT, BEGAN = "filed", "swept", "began"
"""Fields of the history's own hash: up to which closing digests are filed, when all were last
looked through, and since when the history is whole; each an instant in ms."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a cell's recoveries are known."""

    now: datetime
    history: datetime | None
    """Since when the history is whole; None when nothing has been filed."""

    full: tuple[str, ...]
    """Days of which only a part is kept, because they hold as much as a day may."""


class RedisHistory:
    """What is known of recoveries: from the records that are kept, and then from the history.

    Raises:
        StreamUnavailable: From every method, when the server does not answer.
        ConfigurationError: From every method, when it refuses our name, password or permissions.
    """

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client: Any = client  # redis-py types replies as all they might ever be
        self._keys = keys
        self.unreadable = 0
        """How many digests could not be read."""

    async def reach(self, since: datetime, limit: int) -> Reach:
        """Find how far back recoveries are known.

        Args:
            since: From when on days are looked at.
            limit: How many recoveries a day may hold.
        """
        with telling("reading the history"):
            now = instant(await now_ms(self._client))
            began = await self._client.hget(self._keys.history, BEGAN)
            days = days_between(since, now)
            counts = await sizes(self._client, self._keys, days)
        full = tuple(day for day, count in zip(days, counts, strict=True) if count >= limit)
        return Reach(now, instant(int(began)) if began else None, full)

    async def count(self, since: datetime) -> int:
        """Reckon how many digests `digests` will look at, at most."""
        with telling("reading the history"):
            now = instant(await now_ms(self._client))
            counts = await sizes(self._client, self._keys, days_between(since, now))
            closed = await self._client.zcount(self._keys.closed_recoveries, _ms(since), "+inf")
            still_open = await self._client.zcard(self._keys.open_recoveries)
        return sum(counts) + int(closed) + int(still_open)

    async def digests(self, since: datetime) -> AsyncIterator[Digest | None]:
        """Tell of every recovery that opened since an instant, once each; open ones as they are.

        Yields:
            A digest; None for what was looked at and does not belong.
        """
        with telling("reading the history"):
            seen = set[str]()
            async for correlation_id, found in self._recorded(since):
                seen.add(correlation_id)
                yield found
            now = instant(await now_ms(self._client))
            for day in days_between(since, now):
                async for correlation_id, raw in self._day(day):
                    found = None if correlation_id in seen else self._read(correlation_id, raw)
                    yield found if found and found.opened >= since else None

    async def _recorded(self, since: datetime) -> AsyncIterator[tuple[str, Digest | None]]:
        """Tell of what has a record; a digest that is filed saves reading its ledger."""
        keys, seen = self._keys, set[str]()
        # One that closes meanwhile goes from the first index to the end of the second.
        for index, lowest in ((keys.open_recoveries, 0), (keys.closed_recoveries, _ms(since))):
            async for page in pages(self._client, index, lowest):
                names = [name for name, _ in page if name not in seen]
                seen.update(names)
                for name, opened, filed in await looked_up(self._client, keys, names):
                    if opened is None:
                        continue  # its record has gone meanwhile
                    found = None
                    if opened >= since - _A_DAY:  # its first event may be older than its record
                        found = filed or await self._digest(name)
                    yield name, found if found and found.opened >= since else None

    async def _digest(self, correlation_id: str) -> Digest | None:
        record = await read_record(self._client, self._keys, correlation_id)
        return None if record is None else digest(record)

    async def _day(self, day: str) -> AsyncIterator[tuple[str, bytes]]:
        # A scan may tell of a field twice while the hash grows.
        told = set[bytes]()
        async for name, raw in self._client.hscan_iter(self._keys.history_of(day), count=_PAGE):
            if name not in told:
                told.add(name)
                yield name.decode("utf-8", "replace"), raw

    def _read(self, correlation_id: str, raw: bytes) -> Digest | None:
        try:
            return Digest.from_bytes(correlation_id, raw)
        except PermanentError:
            self.unreadable += 1
            return None


def digest(record: Record) -> Digest:
    """Digest a record."""
    return Digest.of(
        Trace.from_ledger(record.ledger, record.outstanding, record.summary, now=record.read_at)
    )


async def pages(
    client: Any, index: str, lowest: int, highest: int | str = "+inf"
) -> AsyncIterator[list[tuple[str, int]]]:
    """Go through an index in the order of its instants, which may change meanwhile.

    Yields:
        Some names, each with its instant in ms; what moves up meanwhile comes again.
    """
    offset = 0
    while True:
        raw = await client.zrange(
            index, lowest, highest, byscore=True, offset=offset, num=_PAGE, withscores=True
        )
        page = [(name.decode("utf-8", "replace"), int(score)) for name, score in raw]
        yield page
        if len(page) < _PAGE:
            return
        last = page[-1][1]
        ties = sum(score == last for _, score in page)
        lowest, offset = last, ties + (offset if last == lowest else 0)


async def looked_up(
    client: Any, keys: Keys, names: Sequence[str]
) -> list[tuple[str, datetime | None, Digest | None]]:
    """Look up when recoveries opened, and their digests where these tell of the latest closing."""
    async with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hmget(keys.recovery(name), "opened", "status", "closed")
        rows = await pipe.execute()
        opened = [instant(int(row[0])) if row[0] else None for row in rows]
        for name, at in zip(names, opened, strict=True):
            pipe.hget(keys.history_of(day_of(at or EPOCH)), name)
        filed = await pipe.execute()
    found = list[tuple[str, datetime | None, Digest | None]]()
    for name, at, (_, status, closed), raw in zip(names, opened, rows, filed, strict=True):
        known: Digest | None = None
        if raw and status == b"closed" and closed:
            try:
                known = Digest.from_bytes(name, raw)
            except PermanentError:
                known = None  # it is made anew from the record
            if known and known.closed != instant(int(closed)):
                known = None
        found.append((name, at, known))
    return found


async def sizes(client: Any, keys: Keys, days: Sequence[str]) -> list[int]:
    """Count what is filed for days."""
    async with client.pipeline(transaction=False) as pipe:
        for day in days:
            pipe.hlen(keys.history_of(day))
        return list(await pipe.execute())


def day_of(moment: datetime) -> str:
    """Name the day, in UTC, of an instant."""
    return f"{moment:%Y-%m-%d}"


def days_between(first: datetime, last: datetime) -> list[str]:
    """Name every day from the one of an instant to that of another."""
    count = (last.date() - first.date()).days
    return [day_of(first + n * _A_DAY) for n in range(count + 1)]


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)

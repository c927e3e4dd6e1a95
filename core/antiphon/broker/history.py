"""The history of a cell: a digest of every recovery, read back, and filed before its record goes.

Each digest is a field of the hash of the day on which its recovery opened. That day never changes,
so a recovery that closes again, or is filed by two workers, replaces its own digest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from antiphon.broker.clock import now_ms
from antiphon.broker.faults import telling
from antiphon.broker.reading import read_record_gently
from antiphon.errors import PermanentError
from antiphon.instants import EPOCH, instant
from antiphon.keys import Keys
from antiphon.records import Record
from antiphon.report.digest import Digest

_PAGE = 200
_A_DAY = timedelta(days=1)

FILED, SWEPT, BEGAN, HEARD = "filed", "swept", "began", "heard"
"""Fields of the history's own hash: up to which closing digests are filed, when all were last
looked through, since when the history is whole, each an instant in ms; and up to which row of the
audit acknowledgements are filed."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a cell's recoveries are known."""

    now: datetime
    history: datetime | None
    """Since when the history is whole; None when nothing has been filed."""

    filed: datetime | None
    """Up to which closing digests are filed; None when none is."""

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

        self.damaged: list[str] = []
        """Recoveries whose records could not be read."""

    async def reach(self, since: datetime, limit: int) -> Reach:
        """Find how far back recoveries are known.

        Args:
            since: From when on days are looked at.
            limit: How many recoveries a day may hold.
        """
        with telling("reading the history"):
            now = instant(await now_ms(self._client))
            known = await self._client.hmget(self._keys.history, BEGAN, FILED)
            began, filed = (instant(int(it)) if it else None for it in known)
            days = days_between(since, now)
            counts = await sizes(self._client, self._keys, days)
        full = tuple(day for day, count in zip(days, counts, strict=True) if count >= limit)
        return Reach(now, began, filed, full)

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
                for look in await looked_up(self._client, keys, names):
                    try:
                        found = await self._latest(look, since - _A_DAY)
                    except PermanentError:
                        self.damaged.append(look.name)  # what is filed of it counts
                        continue
                    if look.opened is not None:  # its record has not gone meanwhile
                        yield look.name, found if found and found.opened >= since else None

    async def _latest(self, look: Look, since: datetime) -> Digest | None:
        """Digest what has a record, unless it is older: its first event may be older still."""
        look.check()
        if look.opened is None or look.opened < since:
            return None
        return look.digest or await digested(self._client, self._keys, look.name)

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


async def digested(client: Redis, keys: Keys, correlation_id: str) -> Digest | None:
    """Digest the record of a recovery; None when there is none, or no longer.

    Raises:
        PermanentError: It cannot be read, because something else wrote to its keys.
    """
    try:
        record = await read_record_gently(client, keys, correlation_id)
        # A large ledger takes a while to understand, and deliveries must not wait for it.
        return None if record is None else await asyncio.to_thread(_digest, record)
    except ResponseError as error:
        if not _of_another_type(error):
            raise
        raise PermanentError(f"the record of {correlation_id!r}: {error}") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise PermanentError(f"the record of {correlation_id!r}: {error}") from error


def _digest(record: Record) -> Digest:
    return Digest.of(record.trace(), record.ledger[-1].id if record.ledger else "")


def _of_another_type(reply: object) -> bool:
    """Whether a key holds what no part of Antiphon writes there."""
    return isinstance(reply, ResponseError) and "WRONGTYPE" in str(reply)


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


@dataclass(frozen=True, slots=True)
class Look:
    """What a glance at a recovery tells."""

    name: str
    opened: datetime | None = None
    """None when it has no record, or no longer."""

    digest: Digest | None = None
    """What is filed of it; None unless that tells of its latest closing, and of all since."""

    damage: str = ""
    """Why its record cannot be read; empty unless that shows."""

    def check(self) -> None:
        """Go on only with what can be read.

        Raises:
            PermanentError: It cannot be.
        """
        if self.damage:
            raise PermanentError(self.damage)


async def looked_up(client: Any, keys: Keys, names: Sequence[str]) -> list[Look]:
    """Look up when recoveries opened, and their digests where nothing has happened since."""
    async with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hmget(keys.recovery(name), "opened", "status", "closed")
            pipe.xrevrange(keys.ledger(name), count=1)
        replies = await pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, Exception) and not _of_another_type(reply):
            raise reply
    found = [_glance(*it) for it in zip(names, replies[::2], replies[1::2], strict=True)]
    async with client.pipeline(transaction=False) as pipe:
        for look, _, _ in found:
            pipe.hget(keys.history_of(day_of(look.opened or EPOCH)), look.name)
        filed = await pipe.execute()
    return [
        replace(look, digest=_current(look.name, raw, closed, row) if raw and closed else None)
        for (look, closed, row), raw in zip(found, filed, strict=True)
    ]


def _glance(name: str, fields: Any, rows: Any) -> tuple[Look, datetime | None, str]:
    """Read when it opened, when it was closed, None while it is open, and its latest row."""
    row = rows[0][0].decode() if rows and not isinstance(rows, Exception) else ""
    try:
        opened, status, closed = fields
        at = instant(int(opened)) if opened else None
        ended = instant(int(closed)) if closed and status == b"closed" else None
    except (TypeError, ValueError, ArithmeticError) as error:
        why = fields if isinstance(fields, Exception) else error
        return Look(name, damage=f"the record of {name!r}: {why}"), None, row
    return Look(name, at), ended, row


def _current(name: str, raw: bytes, closed: datetime, row: str) -> Digest | None:
    """Read a digest; None when it is of an earlier closing, or its ledger has gone on since."""
    try:
        known = Digest.from_bytes(name, raw)
    except PermanentError:
        return None  # it is made anew from the record
    return known if known.closed == closed and (not row or known.row == row) else None


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

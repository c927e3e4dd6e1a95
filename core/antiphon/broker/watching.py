"""Recoveries that are watched: read once, and then only what is new."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from redis.asyncio import Redis

from antiphon.broker.faults import telling
from antiphon.broker.wire import StreamReply
from antiphon.instants import EPOCH, instant
from antiphon.keys import Keys
from antiphon.ledger import Entry
from antiphon.summary import Summary
from antiphon.trace import Trace
from antiphon.trace.history import History

_PAGE = 1000
"""Rows read in one round trip."""


@dataclass(slots=True)
class Watched:
    """One recovery, as far as it has been read."""

    correlation_id: str
    summary: Summary | None = None
    """None before it was read, and when there is no record of it, or no longer."""

    outstanding: tuple[str, ...] = ()
    history: History = field(default_factory=History)
    last: str = "0"
    """The id of the latest row that was read."""

    @property
    def over(self) -> bool:
        """Whether it is closed, or its record is gone."""
        return self.summary is None or self.summary.status == "closed"

    def trace(self, now: datetime) -> Trace:
        """Build its trace as of an instant."""
        return Trace.from_history(self.history, self.outstanding, self.summary, now=now)


@dataclass(slots=True)
class Watch:
    """Reads recoveries as they go on; a tick costs one blocked read while nothing happens.

    Raises:
        StreamUnavailable: From each method, when the server cannot be reached or cannot answer.
            What was read stays, and the next call goes on from there.
        ConfigurationError: From each, when it refuses our name, password or permissions.
    """

    client: Redis
    keys: Keys
    watched: dict[str, Watched] = field(default_factory=dict)
    """By correlation id."""

    there_are: int = 0
    """How many recoveries were open when `open` named some of them."""

    _read_at: datetime = EPOCH
    _read_on: float = 0.0

    @property
    def now(self) -> datetime:
        """The server's time: as it was at the latest reading, and what has gone by since."""
        return self._read_at + timedelta(seconds=time.monotonic() - self._read_on)

    async def open(self, limit: int) -> list[str]:
        """Name the open recoveries, the longest open first, and those that were open just now.

        One that has closed is named once more, so that its last rows are read.
        """
        with telling("listing recoveries"):
            async with self.client.pipeline(transaction=True) as pipe:
                pipe.zrange(self.keys.open_recoveries, 0, limit - 1)
                pipe.zcard(self.keys.open_recoveries)
                found, self.there_are = await pipe.execute()
        names = [name.decode("utf-8", "replace") for name in found]
        ended = (one for one in self.watched.values() if not one.over)
        return list(dict.fromkeys([*names, *(one.correlation_id for one in ended)]))

    async def look(self, names: Iterable[str]) -> Sequence[tuple[Watched, Entry]]:
        """Read what is new about these recoveries, in the order it happened, and forget others."""
        self.watched = {name: self.watched.get(name) or Watched(name) for name in names}
        found: list[tuple[Watched, Entry]] = []
        with telling("reading recoveries"):
            more = await self._read(self.watched, found)
            while more:
                more = await self._read(more, found)
        return sorted(found, key=lambda each: each[1].at)

    async def wait(self, patience: timedelta) -> bool:
        """Wait until a row is written about any of them; false when none is within `patience`."""
        with telling("waiting for rows of a ledger"):
            reply = await self.client.xread(
                self._streams(self.watched), count=1, block=max(int(patience / _MS), 1)
            )
        return bool(reply)

    async def _read(
        self, some: Mapping[str, Watched], found: list[tuple[Watched, Entry]]
    ) -> dict[str, Watched]:
        """Read a page of each as of one instant; return those that have more."""
        async with self.client.pipeline(transaction=True) as pipe:
            pipe.time()
            if some:
                pipe.xread(self._streams(some), count=_PAGE)
            for name in some:
                pipe.hgetall(self.keys.recovery(name))
                pipe.smembers(self.keys.outstanding(name))
            replies: list[Any] = await pipe.execute()
        seconds, microseconds = replies[0]
        self._read_at = instant(int(seconds) * 1000 + int(microseconds) // 1000)
        self._read_on = time.monotonic()
        if not some:
            return {}
        ledgers = {self.keys.ledger(name).encode(): one for name, one in some.items()}
        more: dict[str, Watched] = {}
        for key, rows in cast("StreamReply", replies[1]) or ():
            one = ledgers[key]
            for entry_id, row in rows:
                one.last = entry_id.decode()
                entry = Entry.from_row(entry_id, row)
                one.history.add(entry)
                found.append((one, entry))
            if len(rows) == _PAGE:
                more[one.correlation_id] = one
        for (name, one), summary, outstanding in zip(
            some.items(), replies[2::2], replies[3::2], strict=True
        ):
            one.summary = Summary.from_hash(name, summary) if summary else None
            one.outstanding = tuple(sorted(o.decode("utf-8", "replace") for o in outstanding))
        return more

    def _streams(self, some: Mapping[str, Watched]) -> dict[Any, Any]:
        return {self.keys.ledger(name): one.last for name, one in some.items()}


_MS = timedelta(milliseconds=1)

"""Recoveries page by page, for people who look for one. Nothing is written.

A page is three round trips for every two hundred recoveries that are looked through: their names,
their summaries, and for the open ones what they wait for. A filter by service reads ledgers, too.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from antiphon.broker.clock import read_ms
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.wire import Command
from antiphon.errors import AntiphonError
from antiphon.instants import EPOCH, instant
from antiphon.records import Status
from antiphon.summary import Summary

_CHUNK = 200
"""Recoveries read in one round trip."""

_MOST_LOOKED_THROUGH = 5000
"""Recoveries that one page looks through at most; the next page goes on from there."""

_ROWS_FOR_SERVICES = 500
"""Rows of a ledger that are searched for the services that took part."""

_CHUNK_WITH_LEDGERS = 20
"""Recoveries read in one round trip when their ledgers are."""

_LOOKS_FOR_S = 2.0
"""How long one page looks; the next goes on from there."""

_SCORE = re.compile(r"-?[0-9]{1,16}")
_OPEN, _CLOSED, _SUBJECT = "open", "closed", "subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which recoveries are meant: those that match everything that is given."""

    status: Status | None = None
    subject: str | None = None
    service: str | None = None
    """A service of which a handler took part, or is waited for."""

    since: timedelta | None = None
    """Only those that were still open this long ago, or later."""

    until: timedelta | None = None
    """Only those that were opened this long ago, or earlier."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One piece of outstanding work, and what holds it."""

    name: str
    """As Redis keeps it: `type|entry|group`, or a name that begins with another word."""

    guard: str
    """The kind of guard that holds it; empty when none does."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A recovery in a list."""

    summary: Summary
    waits: tuple[Wait, ...]
    """What an open one waits for, sorted."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the recoveries that were asked for."""

    taken: datetime
    """By the server's clock."""

    found: tuple[Listed, ...]
    after: str
    """Where the next page begins; empty when there is none."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in an index: at this recovery, of this score."""

    index: str
    score: float
    name: str

    @classmethod
    def parse(cls, text: str) -> _Place | None:
        index, _, rest = text.partition(":")
        score, _, name = rest.partition(":")
        if index not in (_OPEN, _CLOSED, _SUBJECT) or not _SCORE.fullmatch(score):
            return None
        return cls(index, float(score), name)

    def __str__(self) -> str:
        return f"{self.index}:{self.score:.0f}:{self.name}"


async def browse(errand: Errand, wanted: Wanted, *, limit: int = 50, after: str = "") -> Page:
    """List recoveries, the newest first; unless a subject is given, open ones lead.

    Args:
        errand: The dealings with the server.
        wanted: Which.
        limit: At most so many.
        after: Where an earlier page ended, as it says; from the beginning unless given.

    Raises:
        AntiphonError: `after` is none that a page gave.
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    place = _Place.parse(after) if after else None
    if after and place is None:
        raise AntiphonError(f"{after!r} is no place in the list of recoveries: begin it anew")
    with telling("listing recoveries"):
        ((seconds, micros),) = await errand.ask([("TIME",)])
        now = instant(read_ms((seconds, micros)))
        found: list[Summary] = []
        last, looked, more = place, 0, False
        until = time.monotonic() + _LOOKS_FOR_S
        async for chunk in _candidates(errand, wanted, now, place, limit):
            for at, summary in chunk:
                if more := len(found) == limit:
                    break
                looked, last = looked + 1, at
                if summary is not None:
                    found.append(summary)
            enough = looked >= _MOST_LOOKED_THROUGH or time.monotonic() > until
            more = more or (enough and looked > 0)
            if more:
                break
        waits = await _waits(errand, [s.correlation_id for s in found if s.status == "open"])
    return Page(
        taken=now,
        found=tuple(Listed(s, waits.get(s.correlation_id, ())) for s in found),
        after=str(last) if more else "",
    )


async def _candidates(
    errand: Errand, wanted: Wanted, now: datetime, place: _Place | None, limit: int
) -> AsyncIterator[list[tuple[_Place, Summary | None]]]:
    """Go through the indexes in chunks; a recovery that is not wanted comes as None."""
    narrow = wanted not in (Wanted(), Wanted(status="open"))
    size = _CHUNK if narrow else min(_CHUNK, limit + 1)
    if wanted.service is not None:
        size = _CHUNK_WITH_LEDGERS
    indexes = _indexes(wanted)
    if place is not None:
        indexes = indexes[indexes.index(place.index) :] if place.index in indexes else []
    for index in indexes:
        began = place if place is not None and place.index == index else None
        async for chunk in _names(errand, index, wanted=wanted, now=now, began=began, size=size):
            rows = await errand.ask([("HGETALL", errand.keys.recovery(at.name)) for at in chunk])
            known = [
                Summary.from_hash(at.name, dict(zip(row[::2], row[1::2], strict=True)))
                if row
                else None
                for at, row in zip(chunk, rows, strict=True)
            ]
            kept = [s for s in known if s is not None and _matches(s, wanted, now)]
            if wanted.service is not None:
                kept = await _served(errand, kept, wanted.service)
            by_name = {summary.correlation_id: summary for summary in kept}
            yield [(at, by_name.get(at.name)) for at in chunk]


def _indexes(wanted: Wanted) -> list[str]:
    if wanted.subject is not None:
        return [_SUBJECT]
    match wanted.status:
        case None:
            return [_OPEN, _CLOSED]
        case "open":
            return [_OPEN]
        case _:
            return [_CLOSED]


async def _names(
    errand: Errand,
    index: str,
    *,
    wanted: Wanted,
    now: datetime,
    began: _Place | None,
    size: int,
) -> AsyncIterator[list[_Place]]:
    """Read the names in one index, the newest first, in chunks."""
    keys = errand.keys
    key = {
        _OPEN: keys.open_recoveries,
        _CLOSED: keys.closed_recoveries,
        _SUBJECT: keys.subject_recoveries(wanted.subject or ""),
    }[index]
    highest, lowest = "+inf", "-inf"
    if index == _CLOSED and wanted.since is not None:
        lowest = str(_ms(_ago(now, wanted.since)))
    if index != _CLOSED and wanted.until is not None:
        highest = str(_ms(_ago(now, wanted.until)))
    if began is not None:
        highest = f"{began.score:.0f}"
    offset = 0
    while True:
        bounds: Command = (key, highest, lowest, "BYSCORE", "REV", "LIMIT", offset, size)
        (flat,) = await errand.ask([("ZRANGE", *bounds, "WITHSCORES")])
        chunk = [
            _Place(index, float(score), name.decode("utf-8", "replace"))
            for name, score in zip(flat[::2], flat[1::2], strict=True)
        ]
        yield [at for at in chunk if began is None or _order(at) < _order(began)]
        if len(chunk) < size:
            return
        offset += size


def _order(at: _Place) -> tuple[float, bytes]:
    """Order places as Redis does: by score, then by the bytes of the name."""
    return at.score, at.name.encode()


def _ago(now: datetime, length: timedelta) -> datetime:
    """Reckon an instant in the past; before the epoch there is nothing."""
    return now - min(length, now - EPOCH)


def _ms(moment: datetime) -> int:
    return max(int(moment.timestamp() * 1000), 0)


def _matches(summary: Summary, wanted: Wanted, now: datetime) -> bool:
    if wanted.status is not None and wanted.status != (summary.verdict or summary.status):
        return False
    if wanted.since is not None and summary.closed and summary.closed < _ago(now, wanted.since):
        return False
    if wanted.until is None or not summary.opened:
        return True
    return summary.opened <= _ago(now, wanted.until)


async def _served(errand: Errand, among: Sequence[Summary], service: str) -> list[Summary]:
    """Keep those in which a handler of a service took part, or is waited for."""
    keys = errand.keys
    commands: list[Command] = []
    for summary in among:
        ledger = keys.ledger(summary.correlation_id)
        commands.append(("XRANGE", ledger, "-", "+", "COUNT", _ROWS_FOR_SERVICES))
        commands.append(("SMEMBERS", keys.outstanding(summary.correlation_id)))
    replies = await errand.ask(commands) if commands else []
    return [
        summary
        for summary, ledger, owed in zip(among, replies[::2], replies[1::2], strict=True)
        if any(_service(group) == service for group in _groups(ledger, owed))
    ]


def _groups(ledger: Iterable[Any], owed: Iterable[bytes]) -> set[bytes]:
    found = {name.rpartition(b"|")[2] for name in owed}
    for _, row in ledger:
        found.update(v for n, v in zip(row[::2], row[1::2], strict=True) if n == b"group")
    return found


def _service(group: bytes) -> str:
    return group.rpartition(b".")[0].decode("utf-8", "replace")


async def _waits(errand: Errand, names: Sequence[str]) -> dict[str, tuple[Wait, ...]]:
    """Read what open recoveries wait for, and which guards hold that."""
    keys = errand.keys
    found: dict[str, tuple[Wait, ...]] = {}
    for start in range(0, len(names), _CHUNK):
        some = names[start : start + _CHUNK]
        owed = await errand.ask([("SMEMBERS", keys.outstanding(name)) for name in some])
        every = sorted({member for members in owed for member in members})
        guards: dict[bytes, str] = {}
        if every:
            (held,) = await errand.ask([("HMGET", keys.held, *every)])
            guards = {
                member: value.partition(b"|")[0].decode("utf-8", "replace")
                for member, value in zip(every, held, strict=True)
                if value
            }
        for name, members in zip(some, owed, strict=True):
            found[name] = tuple(
                Wait(member.decode("utf-8", "replace"), guards.get(member, ""))
                for member in sorted(members)
            )
    return found

"""What opened a closed recovery again, from log lines alone: no line says so.

A dead letter that is delivered again, an event from outside and what somebody answers to the news
of the closing can do that. The server dates their entries, and the closing is dated by the clock of
a worker; so nothing that a step of the recovery published is taken for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from antiphon.instants import entry_instant
from antiphon.ledger import Entry, Kind
from antiphon.trace.lines import NEEDED
from antiphon.trace.news import NEWS

_CLOCKS = timedelta(seconds=2)
"""How far the clock of a log line may be from the server's."""

_Place = tuple[str, str, str]
"""A group, the id of an event, and an entry."""

_ENDS = frozenset(
    {
        Kind.COMPLETED,
        Kind.DIED,
        Kind.SKIPPED,
        Kind.DUPLICATE,
        Kind.JOINED,
        Kind.SUPPRESSED,
        Kind.LATE,
        Kind.OUTRUN,
    }
)


def reopenings(rows: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the rows that would say that it was opened again.

    Between two closings something must have; after the last, only what is beyond doubt counts.
    """
    rows = sorted(rows, key=lambda row: row.at)
    closings = [row for row in rows if row.kind == Kind.CLOSED]
    if not closings:
        return
    causes = sorted(_causes(rows), key=lambda row: row.at)
    for closing, following in pairwise(closings):
        between = (it for it in causes if closing.at < it.at < following.at)
        if found := next(between, None):
            yield found
    over = closings[-1].at
    since = [it for it in causes if it.at > over]
    begun = next(_unfinished(rows, over), None)
    certain = [it for it in since if it.text("dead") and it.at - over > _CLOCKS]
    if since and (begun or certain):
        yield since[0]
    elif begun:
        yield _reopened(begun, begun.at)


def _causes(rows: Sequence[Entry]) -> Iterator[Entry]:
    """Find what could have opened it again, at the instant at which it came."""
    news = {row.text("event") for row in rows if row.text("type") in NEWS}
    heard = {row.text("event") for row in rows if _delivers(row)} - news
    for row in rows:
        outside = not row.text("by") or row.text("cause") in news
        published = row.kind in {Kind.PUBLISHED, Kind.ADOPTED}
        if published and outside and row.text("event") in heard:  # others open nothing
            yield _reopened(row, entry_instant(row.text("entry")) or row.at)
    yield from _replays(rows)


def _replays(rows: Iterable[Entry]) -> Iterator[Entry]:
    """Find dead letters that were delivered again: by the command's line, or in another entry."""
    told = {_place(row): row for row in rows if row.kind == Kind.REPLAYED}
    deaths = dict[tuple[str, str], Entry]()
    seen = set[_Place]()
    for row in rows:
        place = _place(row)
        if not _delivers(row):
            continue
        death = deaths.get(place[:2])
        if place not in seen and place not in told and death and death.text("entry") != place[2]:
            yield _replayed(row, death.text("dead"))
        seen.add(place)
        if row.kind == Kind.DIED:
            deaths[place[:2]] = row
    for row in told.values():
        yield _replayed(row, row.text("dead"))


def _replayed(row: Entry, dead: str) -> Entry:
    more = {name: row.text(name) for name in ("by", "reason")} if row.kind == Kind.REPLAYED else {}
    at = entry_instant(row.text("entry")) or row.at
    return _reopened(row, at, {"group": row.text("group"), "dead": dead, **more})


def _unfinished(rows: Iterable[Entry], over: datetime) -> Iterator[Entry]:
    """Find deliveries that were begun after the closing and have not ended."""
    first, ended = dict[_Place, Entry](), set[_Place]()
    for row in rows:
        if _delivers(row) and row.text("type") not in NEWS:
            first.setdefault(_place(row), row)
            if row.kind in _ENDS:
                ended.add(_place(row))
    for place, row in first.items():
        if row.at > over and place not in ended:
            yield row


def _delivers(row: Entry) -> bool:
    return row.kind not in NEEDED and bool(row.text("group") and row.text("entry"))


def _place(row: Entry) -> _Place:
    return row.text("group"), row.text("event"), row.text("entry")


def _reopened(row: Entry, at: datetime, more: Mapping[str, str] | None = None) -> Entry:
    fields = {"event": row.text("event"), "type": row.text("type"), **(more or {})}
    return Entry(at, row.id, Kind.REOPENED, fields)

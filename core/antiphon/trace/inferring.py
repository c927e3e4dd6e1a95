"""Rows that no log line is, and that lines of other kinds tell all the same.

Nothing here is a guess: each row follows from what the scripts do when they write the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson

from antiphon.instants import EPOCH
from antiphon.ledger import Entry, Kind

INFERRED = "inferred"
"""Marks the row of a hold that no line tells of its own."""

_CLOCKS = timedelta(seconds=2)
"""How far the clock of a log line may be from the server's."""


def inferred(rows: Sequence[Entry]) -> Iterator[Entry]:
    """Yield what the rows of lines imply, in no order."""
    yield from _opening(rows)
    yield from _holds(rows)
    yield from _tiers(rows)
    yield from _rollback(rows)
    yield from _losses(rows)


def numbered(rows: Iterable[Entry]) -> Iterator[Entry]:
    """Say which tier did not answer in time: lines tell their order alone."""
    tiers = defaultdict[str, int](int)
    for row in sorted(rows, key=lambda row: row.at):
        if row.kind == Kind.EXPIRED and not row.text("tier"):
            tiers[row.text("approval")] += 1
            tier = f"{tiers[row.text('approval')]}"
            yield replace(row, fields={**row.fields, "tier": tier})
        else:
            yield row


def birth(line: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of the event that opens a child, from the line of its parent's step."""
    return {
        "event": str(line.get("child", "")),
        "type": str(line.get("child_type", "")),
        "subject": str(line.get("child_subject", "")),
        "entry": str(line.get("child_entry") or ""),
        "cause": str(line.get("event_id", "")),
        "by": "",
        "parent": str(line.get("correlation_id", "")),
    }


def _opening(rows: Iterable[Entry]) -> Iterator[Entry]:
    """The first event that came from outside opened the recovery."""
    outside = [
        row
        for row in rows
        if row.kind == Kind.PUBLISHED
        and not row.text("by")
        and (row.text("parent") or not row.text("cause"))
    ]
    first = min(outside, key=lambda row: row.at, default=None)
    if first is not None:
        names = ("event", "type", "subject", "source", "parent")
        fields = {name: first.text(name) for name in names}
        yield Entry(first.at, first.id, Kind.OPENED, fields)


def _holds(rows: Sequence[Entry]) -> Iterator[Entry]:
    """The line that ends a hold says when it began, whoever was to say that it did."""
    begun = defaultdict[tuple[str, ...], list[Entry]](list)
    for row in rows:
        if row.kind == Kind.HELD:
            begun[_hold(row, "guard", "name")].append(row)
    for row in rows:
        since = row.length("held_since_ms")
        if not row.text("held_by") or since is None:
            continue
        hold, at = _hold(row, "held_by", "held_name"), EPOCH + since
        if not any(abs(known.at - at) < _CLOCKS or at < known.at < row.at for known in begun[hold]):
            fields = {name: row.text(name) for name in ("group", "event", "entry", "type")}
            guard = {"guard": row.text("held_by"), "name": row.text("held_name"), INFERRED: "1"}
            found = Entry(at, row.id, Kind.HELD, fields | guard)
            begun[hold].append(found)
            yield found


def _hold(row: Entry, *names: str) -> tuple[str, ...]:
    return tuple(row.text(name) for name in ("group", "event", "entry", *names))


def _tiers(rows: Iterable[Entry]) -> Iterator[Entry]:
    """A tier that did not answer in time is followed by the next: the first line names them all."""
    asked = {row.text("approval"): row for row in rows if row.kind == Kind.ASKED}
    further = {name: orjson.loads(row.text("then") or "[]") for name, row in asked.items()}
    for row in rows:
        name, tier = row.text("approval"), row.whole("tier") or 1
        if row.kind == Kind.EXPIRED and row.text("otherwise") == "next tier" and further.get(name):
            first = asked[name]
            added = [person for names in further[name][:tier] for person in names]
            who = ",".join([first.text("who"), *added])
            fields = {**first.fields, "who": who, "tier": f"{tier + 1}", "due": row.text("due")}
            yield Entry(row.at, row.id, Kind.ASKED, fields)


def _rollback(rows: Iterable[Entry]) -> Iterator[Entry]:
    """The first order to undo says how many there are to be; the end says what it came to."""
    orders = [row for row in rows if row.kind == Kind.UNDO]
    first = min(orders, key=lambda row: row.at, default=None)
    if first is not None:
        over = next((row.text("verdict") for row in rows if row.kind == Kind.CLOSED), "")
        most = max(row.whole("number") or 0 for row in orders)
        fields = {"verdict": over, "steps": f"{most or len(orders)}"}
        yield Entry(first.at, first.id, Kind.UNDOING, fields)


def _losses(rows: Iterable[Entry]) -> Iterator[Entry]:
    """Giving up the last work ends the recovery, also where no line of its own says so."""
    if any(row.kind == Kind.CLOSED for row in rows):
        return
    for row in rows:
        if row.kind == Kind.LOST and row.text("verdict"):
            yield Entry(row.at, row.id, Kind.CLOSED, row.fields)

"""Log lines, turned into the rows the ledger would hold.

The lines are those that Antiphon's telemetry writes: one JSON object each, of any number of
services and workers, in any order, mixed with lines of others.
A line may carry a prefix, as `docker compose logs` adds it; a line that is there twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from antiphon.ledger import Entry, Kind
from antiphon.trace.inferring import birth, inferred, numbered
from antiphon.trace.lines import KINDS, NEEDED, read
from antiphon.trace.reopening import reopenings

_NOT_OURS = "delivery.not_ours"

_LAST = 2**64
"""Beyond any part of an entry id."""


@dataclass(slots=True)
class LogRows:
    """The rows of one recovery, from lines in any order."""

    correlation_id: str
    rows: list[Entry] = field(default_factory=list)
    """In the order of their timestamps."""

    unreadable: int = 0
    """How many lines name the recovery and yet tell nothing: cut off, or without what they need."""

    unannounced: list[Entry] = field(default_factory=list)
    """Those of the rows that stand for an event which no line says was published."""

    passed: list[tuple[str, str, str]] = field(default_factory=list)
    """Deliveries that somebody looked at and found settled, or in other hands."""

    @classmethod
    def of(cls, lines: Iterable[str | bytes], correlation_id: str) -> LogRows:
        """Read the lines of one recovery and pass over all others."""
        found = cls(correlation_id)
        for number, line in found._objects(lines):
            row = read(number, line)
            if row is None:
                found.unreadable += 1
            elif line["correlation_id"] != correlation_id:  # of its parent, which started it
                found.rows.append(replace(row, kind=Kind.PUBLISHED, fields=birth(line)))
            else:
                found.rows.append(row)
                if row.kind in {Kind.COMPLETED, Kind.DIED}:
                    found.rows.extend(_published(row, line.get("published")))
        found._complete_events()
        found.rows = list(numbered(found.rows))
        found.rows.extend(list(inferred(found.rows)))
        found._complete_undos()
        found.rows.extend(list(reopenings(found.rows)))
        found.rows.sort(key=lambda row: row.at)
        return found

    def _objects(self, lines: Iterable[str | bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
        seen: set[bytes] = set()
        # Parsing is the expensive part, so look for the bytes first, where they are unambiguous.
        quoted = orjson.dumps(self.correlation_id)
        needle = quoted[1:-1] if quoted.isascii() and b"\\" not in quoted else b""
        for number, line in enumerate(lines, 1):
            raw = line.encode("utf-8", "replace") if isinstance(line, str) else line
            if needle not in raw:
                continue
            text = raw[max(raw.find(b'{"'), 0) :].strip()
            if text in seen:
                continue
            seen.add(text)
            try:
                parsed = orjson.loads(text)
            except orjson.JSONDecodeError:
                self.unreadable += bool(needle) and b'"correlation_id"' in text
                continue
            if isinstance(parsed, dict) and (
                parsed.get("correlation_id") == self.correlation_id or self._bears(parsed)
            ):
                if parsed.get("event") == _NOT_OURS:
                    self.passed.append(_place(parsed))
                elif parsed.get("event") in KINDS:
                    yield number, parsed

    def _bears(self, line: Mapping[str, Any]) -> bool:
        """Whether a line of another recovery tells that it started this one."""
        return line.get("event") == "child.started" and line.get("child") == self.correlation_id

    def _complete_undos(self) -> None:
        """Leave out the orders to undo a step that somebody has begun: their lines say as much."""
        begun = {row.text("event") for row in self.rows if row.text("undo_of")}
        self.rows = [r for r in self.rows if r.kind != Kind.UNDO or r.text("event") not in begun]

    def _complete_closings(self, delivered: Iterable[str]) -> Mapping[str, Entry]:
        """Find the events that tell of the end of a child: their ids begin with its own."""
        children = {row.text("child"): row for row in self.rows if row.kind == Kind.CHILD}
        told = dict[str, Entry]()
        for event in delivered:
            child = children.get(event.rpartition(":closed:")[0])
            if child is not None:
                told[event] = child
        latest = {child.text("child"): name for name, child in told.items()}
        for position, row in enumerate(self.rows):
            if row.kind == Kind.CHILD_CLOSED:
                fields = {**row.fields, "event": latest.get(row.text("child"), "")}
                self.rows[position] = replace(row, fields=fields)
        return told

    def _complete_events(self) -> None:
        """Give every event a row and an entry id; deliveries tell both when nothing else does."""
        announced = {row.text("event") for row in self.rows if row.kind == Kind.PUBLISHED}
        put_off = {row.text("event"): row for row in self.rows if row.kind == Kind.SCHEDULED}
        joins = {row.text("event"): row for row in self.rows if row.kind == Kind.TIMED_OUT}
        delivered = self._first_deliveries()
        closings = self._complete_closings(delivered)
        for position, row in enumerate(self.rows):
            if row.kind != Kind.PUBLISHED:
                continue
            fields = dict(row.fields)
            if later := put_off.get(row.text("event")):
                fields |= {"cause": later.text("cause"), "by": later.text("by")}
            if (witness := delivered.get(row.text("event"))) and not row.text("entry"):
                fields["entry"] = witness.text("entry")
            self.rows[position] = replace(row, fields=fields)
        for event, row in delivered.items():
            if event in announced:
                continue
            if later := put_off.get(event):
                fields = {**later.fields, "entry": row.text("entry")}
                self.rows.append(Entry(row.at, row.id, Kind.PUBLISHED, fields))
            elif herald := joins.get(event) or closings.get(event):
                fields = {**row.fields, "by": herald.text("group")}
                self.rows.append(Entry(row.at, row.id, Kind.PUBLISHED, fields))
            else:
                found = Entry(row.at, row.id, Kind.ADOPTED, {**row.fields, "by": ""})
                self.unannounced.append(found)
        self.rows.extend(self.unannounced)

    def _first_deliveries(self) -> Mapping[str, Entry]:
        """Find for every event the row of its earliest entry."""
        delivered: dict[str, Entry] = {}
        for row in self.rows:
            if row.kind not in NEEDED and not row.text("undo_of"):
                event = row.fields["event"]
                earliest = delivered.setdefault(event, row)
                if row.text("entry") != earliest.text("entry") and _order(row) < _order(earliest):
                    delivered[event] = row
        return delivered


def _published(ended: Entry, listed: Any) -> Iterator[Entry]:
    """Make the rows of the events that a delivery published as it ended."""
    for event in listed if isinstance(listed, list) else ():
        if isinstance(event, dict) and isinstance(event.get("id"), str):
            fields = {
                "event": event["id"],
                "type": str(event.get("type", "")),
                "subject": str(event.get("subject", "")),
                "entry": str(event.get("entry", "")),
                "cause": ended.text("event"),
                "by": ended.text("group"),
            }
            yield Entry(ended.at, ended.id, Kind.PUBLISHED, fields)


def _place(line: Mapping[str, Any]) -> tuple[str, str, str]:
    """Name the delivery of a line."""
    group, event, entry = (str(line.get(name, "")) for name in ("group", "event_id", "entry_id"))
    return group, event, entry


def _order(row: Entry) -> tuple[int, int, datetime]:
    """Order rows by their entry ids, as Redis does, and then by time."""
    head, _, tail = row.text("entry").partition("-")
    if not (head.isdecimal() and tail.isdecimal()):
        return _LAST, _LAST, row.at
    return int(head), int(tail), row.at

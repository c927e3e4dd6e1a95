"""Log lines, turned into the rows the ledger would hold.

The lines are those that Antiphon's telemetry writes: one JSON object each, of any number of
services and workers, in any order, mixed with lines of others.
A line may carry a prefix, as `docker compose logs` adds it; a line that is there twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from antiphon.ledger import Entry, Kind

_KINDS = {
    "event.published": Kind.PUBLISHED,
    "delivery.started": Kind.STARTED,
    "delivery.progress": Kind.PROGRESS,
    "delivery.completed": Kind.COMPLETED,
    "delivery.retried": Kind.RETRIED,
    "delivery.released": Kind.RELEASED,
    "delivery.died": Kind.DIED,
    "delivery.skipped": Kind.SKIPPED,
    "delivery.duplicate": Kind.DUPLICATE,
    "delivery.waiting": Kind.WAITING,
    "delivery.joined": Kind.JOINED,
    "delivery.held": Kind.HELD,
    "delivery.suppressed": Kind.SUPPRESSED,
    "delivery.refused": Kind.REFUSED,
    "delivery.lost": Kind.LOST,
    "recovery.reopened": Kind.REOPENED,
    "recovery.closed": Kind.CLOSED,
    "recovery.relapsed": Kind.RELAPSED,
    "recovery.halted": Kind.HALTED,
    "recovery.escalated": Kind.ESCALATED,
    "escalation.acknowledged": Kind.ACKNOWLEDGED,
    "event.coalesced": Kind.COALESCED,
}

_ROW_NAMES = {
    "event_id": "event",
    "event_type": "type",
    "entry_id": "entry",
    "causation_id": "cause",
    "duration_ms": "ms",
    "due_ms": "due",
    "opens_ms": "opens",
    "reason": "why",
    "dead_entry": "dead",
    "taken_over_from": "from",
}

_LAST = 2**64
"""Beyond any part of an entry id."""

_NEEDED = {
    Kind.PUBLISHED: ("event",),
    Kind.LOST: ("group",),
    Kind.REOPENED: (),
    Kind.CLOSED: (),
    Kind.COALESCED: ("event",),
    Kind.RELAPSED: ("of",),
    Kind.HALTED: ("guard",),
    Kind.ESCALATED: ("guard",),
    Kind.ACKNOWLEDGED: ("by",),
}
"""What a row must hold to tell anything; the others tell of a delivery."""

_DELIVERED = ("event", "group")


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

    @classmethod
    def of(cls, lines: Iterable[str | bytes], correlation_id: str) -> LogRows:
        """Read the lines of one recovery and pass over all others."""
        found = cls(correlation_id)
        for number, line in found._objects(lines):
            row = _row(number, line)
            if row is None:
                found.unreadable += 1
                continue
            found.rows.append(row)
            if row.kind == Kind.COMPLETED:
                found.rows.extend(_published(row, line.get("published")))
            elif row.kind == Kind.LOST and row.text("verdict"):
                found.rows.append(replace(row, kind=Kind.CLOSED))
        found._complete_events()
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
            if (
                isinstance(parsed, dict)
                and parsed.get("correlation_id") == self.correlation_id
                and parsed.get("event") in _KINDS
            ):
                yield number, parsed

    def _complete_events(self) -> None:
        """Give every event a row and an entry id; deliveries tell both when nothing else does."""
        announced = {row.text("event") for row in self.rows if row.kind == Kind.PUBLISHED}
        delivered: dict[str, Entry] = {}
        for row in self.rows:
            if row.kind not in _NEEDED:
                event = row.fields["event"]
                earliest = delivered.setdefault(event, row)
                if row.text("entry") != earliest.text("entry") and _order(row) < _order(earliest):
                    delivered[event] = row
        for position, row in enumerate(self.rows):
            if row.kind != Kind.PUBLISHED or row.text("entry"):
                continue
            if witness := delivered.get(row.text("event")):
                fields = {**row.fields, "entry": witness.text("entry")}
                self.rows[position] = Entry(row.at, row.id, row.kind, fields)
        self.unannounced = [
            Entry(row.at, row.id, Kind.ADOPTED, {**row.fields, "by": ""})
            for event, row in delivered.items()
            if event not in announced
        ]
        self.rows.extend(self.unannounced)


def _row(number: int, line: dict[str, Any]) -> Entry | None:
    """Turn a line into a row; None when it lacks a time, or the delivery it is about."""
    kind = _KINDS[line["event"]]
    try:
        at = datetime.fromisoformat(line["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    fields = {
        _ROW_NAMES.get(name, name): value if isinstance(value, str) else str(value)
        for name, value in line.items()
        if value is not None and name != "event"
    }
    if kind == Kind.LOST:
        fields["type"], fields["entry"], _ = f"{fields.get('outstanding', '')}||".split("|", 2)
    if kind == Kind.ESCALATED:
        fields.pop("event", None)  # that which was being handled, not that which tells people
    if not all(fields.get(name) for name in _NEEDED.get(kind, _DELIVERED)):
        return None
    utc = at if at.tzinfo is UTC else at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return Entry(utc, f"line {number}", kind, fields)


def _published(completed: Entry, listed: Any) -> Iterator[Entry]:
    """Make the rows of the events that a delivery published as it completed."""
    for event in listed if isinstance(listed, list) else ():
        if isinstance(event, dict) and isinstance(event.get("id"), str):
            fields = {
                "event": event["id"],
                "type": str(event.get("type", "")),
                "subject": str(event.get("subject", "")),
                "entry": str(event.get("entry", "")),
                "cause": completed.text("event"),
                "by": completed.text("group"),
            }
            yield Entry(completed.at, completed.id, Kind.PUBLISHED, fields)


def _order(row: Entry) -> tuple[int, int, datetime]:
    """Order rows by their entry ids, as Redis does, and then by time."""
    head, _, tail = row.text("entry").partition("-")
    if not (head.isdecimal() and tail.isdecimal()):
        return _LAST, _LAST, row.at
    return int(head), int(tail), row.at

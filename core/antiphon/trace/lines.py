"""One log line, turned into the row the ledger would hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from antiphon.ledger import Entry, Kind

KINDS = {
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
    "letter.replayed": Kind.REPLAYED,
    "recovery.closed": Kind.CLOSED,
    "recovery.relapsed": Kind.RELAPSED,
    "recovery.halted": Kind.HALTED,
    "recovery.escalated": Kind.ESCALATED,
    "escalation.acknowledged": Kind.ACKNOWLEDGED,
    "letter.discarded": Kind.DISCARDED,
    "event.coalesced": Kind.COALESCED,
    "event.scheduled": Kind.SCHEDULED,
    "event.dropped": Kind.DROPPED,
    "join.timed_out": Kind.TIMED_OUT,
    "join.won": Kind.WON,
    "branch.late": Kind.LATE,
    "step.outrun": Kind.OUTRUN,
    "approval.requested": Kind.ASKED,
    "approval.granted": Kind.APPROVED,
    "approval.denied": Kind.DENIED,
    "approval.expired": Kind.EXPIRED,
    "recovery.stalled": Kind.STALLED,
    "recovery.cancelled": Kind.CANCELLED,
    "recovery.undoing": Kind.UNDO,
    "child.started": Kind.CHILD,
    "child.closed": Kind.CHILD_CLOSED,
}

_ROW_NAMES = {
    "event_id": "event",
    "event_type": "type",
    "entry_id": "entry",
    "causation_id": "cause",
    "duration_ms": "ms",
    "due_ms": "due",
    "opens_ms": "opens",
    "deadline_ms": "deadline",
    "reason": "why",
    "dead_entry": "dead",
    "taken_over_from": "from",
}

_ANSWERS = frozenset({Kind.APPROVED, Kind.DENIED, Kind.CANCELLED, Kind.DISCARDED, Kind.REPLAYED})
"""Rows in which people give a reason; guards say why."""

NEEDED = {
    Kind.PUBLISHED: ("event",),
    Kind.LOST: ("group",),
    Kind.REPLAYED: ("group", "event"),
    Kind.CLOSED: (),
    Kind.COALESCED: ("event",),
    Kind.RELAPSED: ("of",),
    Kind.HALTED: ("guard",),
    Kind.ESCALATED: ("guard",),
    Kind.ACKNOWLEDGED: ("by",),
    Kind.DISCARDED: ("dead",),
    Kind.SCHEDULED: ("event",),
    Kind.DROPPED: ("event",),
    Kind.TIMED_OUT: ("group",),
    Kind.ASKED: ("approval",),
    Kind.APPROVED: ("approval",),
    Kind.DENIED: ("approval",),
    Kind.EXPIRED: ("approval",),
    Kind.STALLED: (),
    Kind.CANCELLED: ("by",),
    Kind.UNDO: ("event", "of"),
    Kind.CHILD: ("child",),
    Kind.CHILD_CLOSED: ("child",),
}
"""What a row must hold to tell anything; the others tell of a delivery."""

_DELIVERED = ("event", "group")


def read(number: int, line: dict[str, Any]) -> Entry | None:
    """Turn a line into a row; None when it lacks a time, or the delivery it is about."""
    kind = KINDS[line["event"]]
    try:
        at = datetime.fromisoformat(line["timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    fields = {
        _ROW_NAMES.get(name, name): _text(value)
        for name, value in line.items()
        if value is not None and name != "event"
    }
    _settle_names(kind, fields)
    if not all(fields.get(name) for name in NEEDED.get(kind, _DELIVERED)):
        return None
    utc = at if at.tzinfo is UTC else at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return Entry(utc, f"line {number}", kind, fields)


def _text(value: Any) -> str:
    """Write a value as a row holds it."""
    if isinstance(value, list):
        plain = all(isinstance(one, str) for one in value)
        return ",".join(value) if plain else orjson.dumps(value, default=str).decode()
    return value if isinstance(value, str) else str(value)


def _settle_names(kind: Kind, fields: dict[str, str]) -> None:
    """Give fields the names that a row of this kind has for them.

    A line within a delivery carries the delivery, also where the row is not about that.
    """
    match kind:
        case Kind.LOST:
            fields["type"], fields["entry"], _ = f"{fields.get('outstanding', '')}||".split("|", 2)
            fields["error"] = fields.pop("why", "")
        case Kind.ESCALATED:
            fields.pop("event", None)  # that which was being handled, not that which tells of it
        case Kind.SCHEDULED | Kind.DROPPED:
            fields["by"] = fields.get("group", "")
            fields.pop("entry", None)  # of the event that was being handled
        case Kind.CHILD:
            fields["cause"], fields["by"] = fields.get("event", ""), fields.get("group", "")
            for name in ("type", "subject", "entry"):
                fields[name] = fields.get(f"child_{name}", "")
        case Kind.TIMED_OUT:
            # The script makes this id, so that an event is published once.
            fields["event"] = f"{fields['correlation_id']}:timeout:{fields.get('group', '')}"
        case _ if kind in _ANSWERS:
            fields["reason"] = fields.pop("why", "")

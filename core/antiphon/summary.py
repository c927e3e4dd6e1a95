"""The summary of a recovery: what can be said in one line without reading its ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from antiphon.instants import instant, iso

_REASON_PREFIX = "!"
"""Marks the fields that each name one thing that went wrong."""

_DIGITS = 18
"""Longer numbers than programs that read JSON can hold are unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One recovery, in short."""

    correlation_id: str
    status: str
    """`open` or `closed`."""

    verdict: str | None
    """`completed`, `partial`, `failed`, `halted` or `cancelled`; None while open."""

    type: str
    """The type of the event that opened it."""

    subject: str
    root: str
    """The id of the event that opened it."""

    opened: datetime | None
    closed: datetime | None
    closes: int
    """How often it was closed; above 1 it was reopened in between."""

    events: int
    done: int
    dead: int
    unanswered: int
    suppressed: int
    """Deliveries that a guard kept from running for good."""

    coalesced: int
    """Further failures that joined it."""

    relapse_of: str
    """The recovery whose success did not hold; empty unless this one is a relapse."""

    halted: str
    """Which limit it went beyond, and the way there; empty unless it was halted."""

    escalated: datetime | None
    """When people were told last; None when they were not."""

    tier: int
    """How far up; 0 when nobody was told."""

    acked: datetime | None
    """When somebody acknowledged that; None when nobody has."""

    acked_by: str
    parent: str
    """The recovery that started it as its child; empty when none did."""

    source: str
    """Who asked for it; empty when nothing tells."""

    deadline: datetime | None
    """By when it should be over; None without one."""

    stalled: datetime | None
    """When it was found past its deadline; None when it was not."""

    cancelled: str
    """Who cancelled it and why; empty unless somebody did."""

    undoing: str
    """The verdict it comes to once its steps are undone; empty unless that goes on."""

    undos: int
    """Steps that are still to be undone."""

    undone: int
    """Steps that were undone."""

    notundone: int
    """Steps that could not be undone."""

    left: str
    """What it leaves behind half done, for a person to read; empty when nothing."""

    reasons: tuple[str, ...]
    """What went wrong, in words, sorted."""

    @classmethod
    def from_hash(cls, correlation_id: str, row: Mapping[bytes, bytes]) -> Summary:
        """Read the hash Redis keeps; a number that is absent or unreadable counts as 0."""
        fields = {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in row.items()
        }
        return cls(
            correlation_id=correlation_id,
            status=fields.get("status", "open"),
            verdict=fields.get("verdict") or None,
            type=fields.get("type", ""),
            subject=fields.get("subject", ""),
            root=fields.get("root", ""),
            opened=_instant(fields, "opened"),
            closed=_instant(fields, "closed"),
            closes=_whole(fields, "closes"),
            events=_whole(fields, "events"),
            done=_whole(fields, "done"),
            dead=_whole(fields, "dead"),
            unanswered=_whole(fields, "unanswered"),
            suppressed=_whole(fields, "suppressed"),
            coalesced=_whole(fields, "coalesced"),
            relapse_of=fields.get("relapse_of", ""),
            halted=fields.get("halted", ""),
            escalated=_instant(fields, "escalated"),
            tier=_whole(fields, "tier"),
            acked=_instant(fields, "acked"),
            acked_by=fields.get("acked_by", ""),
            parent=fields.get("parent", ""),
            source=fields.get("source", ""),
            deadline=_instant(fields, "deadline"),
            stalled=_instant(fields, "stalled"),
            cancelled=fields.get("cancelled", ""),
            undoing=fields.get("undoing", ""),
            undos=_whole(fields, "undos"),
            undone=_whole(fields, "undone"),
            notundone=_whole(fields, "notundone"),
            left=fields.get("left", ""),
            reasons=tuple(
                sorted(v for name, v in fields.items() if name.startswith(_REASON_PREFIX))
            ),
        )

    @property
    def begun(self) -> bool:
        """Whether its first event was published; a child may be cancelled before."""
        return self.opened is not None or not self.cancelled

    def to_dict(self) -> dict[str, Any]:
        """Return the summary for JSON: stable keys, ISO instants, durations in milliseconds."""
        lasted = self.closed - self.opened if self.closed and self.opened else None
        return {
            "correlation_id": self.correlation_id,
            "status": self.status,
            "verdict": self.verdict,
            "type": self.type,
            "subject": self.subject,
            "root": self.root,
            "opened": iso(self.opened),
            "closed": iso(self.closed),
            "duration_ms": None if lasted is None else round(lasted.total_seconds() * 1000),
            "closes": self.closes,
            "events": self.events,
            "done": self.done,
            "dead": self.dead,
            "unanswered": self.unanswered,
            "suppressed": self.suppressed,
            "coalesced": self.coalesced,
            "relapse_of": self.relapse_of or None,
            "halted": self.halted or None,
            "escalated": iso(self.escalated),
            "tier": self.tier,
            "acked": iso(self.acked),
            "acked_by": self.acked_by or None,
            "parent": self.parent or None,
            "requester": self.source or None,
            "deadline": iso(self.deadline),
            "stalled": iso(self.stalled),
            "cancelled": self.cancelled or None,
            "undoing": self.undoing or None,
            "undos": self.undos,
            "undone": self.undone,
            "notundone": self.notundone,
            "left": self.left or None,
            "reasons": list(self.reasons),
        }


def _whole(fields: Mapping[str, str], name: str) -> int:
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def _instant(fields: Mapping[str, str], name: str) -> datetime | None:
    milliseconds = _whole(fields, name)
    try:
        return instant(milliseconds) if milliseconds else None
    except OverflowError:
        return None

"""A dead letter: an entry some handler gave up on, kept with the reason until a person decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from antiphon.delivery import INBOX
from antiphon.instants import entry_instant, iso

_OURS = (
    "deadgroup", "deadlabel", "deadentry", "deadevent", "deadcorrelation",
    "deadattempts", "deaderror", "deadsubject", "deadomitted",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One entry that died in one group."""

    id: str
    """Its entry id in the stream of dead letters."""

    group: str
    """The group whose handler gave up; no other is affected."""

    label: str
    """The type of the stream it was read from, or `INBOX` when it had been replayed before."""

    entry: str
    """Its entry id in that stream."""

    event: str
    correlation_id: str
    subject: str
    attempts: int
    """How often it was tried, the last time included."""

    error: str
    """What the last attempt ended with."""

    omitted: int
    """How many names and values of the entry did not fit into the letter."""

    fields: Mapping[bytes, bytes]
    """The entry as it was; empty when it was gone before it was given up."""

    @classmethod
    def from_row(cls, entry_id: bytes, row: Mapping[bytes, bytes]) -> DeadLetter:
        """Read an entry of the stream of dead letters."""
        ours = {name: _text(row.get(name.encode(), b"")) for name in _OURS}
        reserved = {name.encode() for name in _OURS}
        return cls(
            id=entry_id.decode(),
            group=ours["deadgroup"],
            label=ours["deadlabel"],
            entry=ours["deadentry"],
            event=ours["deadevent"],
            correlation_id=ours["deadcorrelation"],
            subject=ours["deadsubject"],
            attempts=int(ours["deadattempts"] or 0),
            error=ours["deaderror"],
            omitted=int(ours["deadomitted"] or 0),
            fields={name: value for name, value in row.items() if name not in reserved},
        )

    @property
    def died(self) -> datetime | None:
        """When it was given up."""
        return entry_instant(self.id)

    @property
    def type(self) -> str:
        """The event type under which it was delivered."""
        return _text(self.fields.get(b"type", b"")) if self.label == INBOX else self.label

    @property
    def original(self) -> dict[str, str]:
        """The entry's fields as text; bytes that are not UTF-8 become replacement marks."""
        return {_text(name): _text(value) for name, value in self.fields.items()}

    @property
    def flaw(self) -> str:
        """Why it cannot be delivered again; empty when it can."""
        if not self.fields:
            return "its entry was trimmed or deleted before it died, so its content is lost"
        if self.omitted:
            return f"its entry was too long, {self.omitted} names and values of it were not kept"
        return ""

    def completions(self) -> dict[str, str]:
        """Attributes the entry left out or that cannot be read, as its recovery has them.

        What a foreign writer leaves out follows from the entry's place in its stream. In another
        stream the same fields would be another event, of another recovery.
        """
        known = {
            "id": self.event,
            "type": self.type,
            "subject": self.subject,
            "correlationid": self.correlation_id,
        }
        if not self.fields.get(b"time") and (written := iso(entry_instant(self.entry))):
            known["time"] = written
        return {
            name: value
            for name, value in known.items()
            if self.fields.get(name.encode()) != value.encode()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the letter for JSON: stable keys, ISO instants, the entry's fields as text."""
        return {
            "id": self.id,
            "died": iso(self.died),
            "group": self.group,
            "type": self.type,
            "subject": self.subject,
            "correlation_id": self.correlation_id,
            "event": self.event,
            "label": self.label,
            "entry": self.entry,
            "attempts": self.attempts,
            "error": self.error,
            "omitted": self.omitted,
            "fields": self.original,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which dead letters are meant: those that match everything that is given."""

    group: str | None = None
    subject: str | None = None
    correlation_id: str | None = None

    @property
    def narrows(self) -> bool:
        """Whether anything is given."""
        return self != Choice()

    def __contains__(self, letter: DeadLetter) -> bool:
        return all(
            wanted in (None, found)
            for wanted, found in (
                (self.group, letter.group),
                (self.subject, letter.subject),
                (self.correlation_id, letter.correlation_id),
            )
        )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")

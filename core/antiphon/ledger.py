"""The ledger: one row for everything that happened in a recovery, in the order and time of Redis.

The rows are written by the scripts, together with what they tell of.
Here they are read: `Entry` is a row as text, with accessors for the values that are more than text.
A row from a newer release may be of a kind, or hold fields, that this release does not know; it is
kept as it is, and whoever reads the ledger decides what to make of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from antiphon.instants import EPOCH, entry_instant

_BEYOND = 2**63


class Kind(StrEnum):
    """What a row tells."""

    OPENED = "opened"
    PUBLISHED = "published"
    ADOPTED = "adopted"
    STARTED = "started"
    PROGRESS = "progress"
    COMPLETED = "completed"
    RETRIED = "retried"
    RELEASED = "released"
    DIED = "died"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    WAITING = "waiting"
    JOINED = "joined"
    REFUSED = "refused"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    LOST = "lost"
    COALESCED = "coalesced"
    RELAPSED = "relapsed"
    HELD = "held"
    SUPPRESSED = "suppressed"
    HALTED = "halted"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    REOPENED = "reopened"
    DROPPED = "dropped"
    SCHEDULED = "scheduled"
    TIMED_OUT = "timed_out"
    LATE = "late"
    WON = "won"
    OUTRUN = "outrun"
    ASKED = "asked"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    STALLED = "stalled"
    CANCELLED = "cancelled"
    UNDOING = "undoing"
    UNDO = "undo"
    CHILD = "child"
    CHILD_CLOSED = "child_closed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a ledger."""

    at: datetime
    """Redis's time of the row."""

    id: str
    """Where the row stands: its id in the ledger stream."""

    kind: str
    """A `Kind`, or a word of a newer release; empty when the row has none."""

    fields: Mapping[str, str]
    """Everything else the row holds, as text."""

    @classmethod
    def from_row(cls, entry_id: bytes, row: Mapping[bytes, bytes]) -> Entry:
        """Read a row of the ledger stream; bytes that are not UTF-8 become replacement marks."""
        try:
            fields = dict(zip(map(_name, row), map(bytes.decode, row.values()), strict=True))
        except UnicodeDecodeError:
            fields = {_NAMES[name]: value.decode("utf-8", "replace") for name, value in row.items()}
        entry = entry_id.decode()
        return cls(entry_instant(entry) or EPOCH, entry, fields.pop("kind", ""), fields)

    def text(self, name: str) -> str:
        """Return a field as written; empty when the row does not hold it."""
        return self.fields.get(name, "")

    def whole(self, name: str) -> int | None:
        """Return a field as a whole number of 64 bits; None when it is absent or not one."""
        try:
            number = int(self.fields[name])
        except (KeyError, ValueError):
            return None
        return number if -_BEYOND <= number < _BEYOND else None

    def number(self, name: str) -> float | None:
        """Return a field as a number; None when it is absent or not one."""
        try:
            return float(self.fields[name])
        except (KeyError, ValueError):
            return None

    def length(self, name: str) -> timedelta | None:
        """Return a field that holds milliseconds as a duration; None when it cannot be one."""
        milliseconds = self.number(name)
        try:
            return None if milliseconds is None else timedelta(milliseconds=milliseconds)
        except (OverflowError, ValueError):
            return None

    def instant(self, name: str) -> datetime | None:
        """Return a field that holds milliseconds since 1970 as an instant; None when it cannot."""
        since = self.length(name)
        try:
            return None if since is None else EPOCH + since
        except OverflowError:
            return None


class _Names(dict[bytes, str]):
    """Decodes the names of fields; the same few come in every row."""

    _MOST = 1024

    def __missing__(self, raw: bytes) -> str:
        name = raw.decode("utf-8", "replace")
        if len(self) < self._MOST:  # whoever writes a row can make names up
            self[raw] = name
        return name


_NAMES = _Names()
_name = _NAMES.__getitem__

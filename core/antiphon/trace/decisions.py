"""What guards decided: about one delivery, or about the recovery as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from antiphon.ledger import Entry
from antiphon.trace.words import spell

_EXCLUSIVE = "exclusive"
"""The guard that counts those who wait, with no limit to it."""

_AGE = "staleness"
"""The guard that counts milliseconds."""


_ITSELF = "recovery"
"""The name of what is counted in the recovery as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A guard at the moment it decided."""

    kind: str
    """Such as `budget`, `rate` or `pause`."""

    name: str
    """What it counts or holds, such as `restart:orders-api`; empty when nothing tells."""

    limit: int | None
    value: int | None
    """What it had counted; None, as the limit, when nothing tells."""

    @classmethod
    def of(cls, row: Entry) -> Guard:
        """Read the guard that a row names."""
        return cls(
            kind=row.text("guard"),
            name=row.text("name"),
            limit=row.whole("limit"),
            value=row.whole("value"),
        )

    @property
    def count(self) -> str:
        """How much of its limit it had counted, as in `3 of 3`; empty when that means nothing."""
        if not self.limit or self.value is None or self.kind == _EXCLUSIVE:
            return ""
        if self.kind == _AGE:
            limit, value = (timedelta(milliseconds=ms) for ms in (self.limit, self.value))
            return f"{spell(value)} of {spell(limit)}"
        return f"{self.value} of {self.limit}"

    def __str__(self) -> str:
        name = "" if self.name in {self.kind, _ITSELF} else self.name
        about = ", ".join(filter(None, (name, self.count)))
        return f"{self.kind} ({about})" if about else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A time during which a guard did not let a delivery run."""

    guard: Guard
    since: datetime
    due: datetime | None
    """When it was first to be looked at again."""

    until: datetime | None
    """When it was let go, or came before another guard; None while it is held."""

    def lasted(self, as_of: datetime) -> timedelta:
        """Return how long it was held; up to `as_of` while it is."""
        return max((self.until or as_of) - self.since, timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A guard kept a delivery from running for good."""

    guard: Guard
    at: datetime
    opens: datetime | None
    """When the guard would let another like it run; None when waiting does not help."""

    why: str

    @classmethod
    def of(cls, row: Entry) -> Suppression:
        """Read a row of `suppressed`."""
        return cls(guard=Guard.of(row), at=row.at, opens=row.instant("opens"), why=row.text("why"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """The recovery went beyond a limit, and nothing more is begun in it."""

    guard: Guard
    at: datetime
    group: str
    """The handler that was to run next."""

    event_id: str
    path: str
    """The causes and the steps that led there, which shows the loop."""

    @classmethod
    def of(cls, row: Entry) -> Halt:
        """Read a row of `halted`."""
        return cls(
            guard=Guard.of(row),
            at=row.at,
            group=row.text("group"),
            event_id=row.text("event"),
            path=row.text("path"),
        )

    def __str__(self) -> str:
        return f"{self.guard}: {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relapse:
    """The recovery began because a successful one did not hold."""

    of: str
    """The correlation id of the one that did not hold."""

    at: datetime
    value: int | None
    """How often that has happened within the window."""

    limit: int | None
    """How often it may."""

    within: timedelta | None
    """The window; None when nothing tells."""

    @classmethod
    def from_row(cls, row: Entry) -> Relapse:
        """Read a row of `relapsed`."""
        return cls(
            of=row.text("of"),
            at=row.at,
            value=row.whole("value"),
            limit=row.whole("limit"),
            within=row.length("within"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """A person was told that the recovery needs one."""

    guard: Guard
    """The guard that gave up."""

    at: datetime
    event_id: str
    """The id of the `recovery.escalated` event; empty when nothing tells."""

    why: str
    tier: int
    """1 at first, more each time nobody acknowledged it."""

    @classmethod
    def of(cls, row: Entry) -> Escalation:
        """Read a row of `escalated`."""
        return cls(
            guard=Guard.of(row),
            at=row.at,
            event_id=row.text("event"),
            why=row.text("why"),
            tier=row.whole("tier") or 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A person took the recovery on."""

    at: datetime
    by: str
    why: str

    @classmethod
    def of(cls, row: Entry) -> Acknowledgement:
        """Read a row of `acknowledged`."""
        return cls(at=row.at, by=row.text("by"), why=row.text("why"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """A dead letter was thrown away for good.

    Its text is for people: ``thrown away by ana: the order was cancelled``.
    """

    at: datetime
    dead: str
    """The dead letter."""

    group: str
    """The group it had died in."""

    event_id: str
    by: str
    """Who; empty when nothing tells."""

    reason: str

    @classmethod
    def of(cls, row: Entry) -> Discard:
        """Read a row of `discarded`."""
        return cls(
            at=row.at,
            dead=row.text("dead"),
            group=row.text("group"),
            event_id=row.text("event"),
            by=row.text("by"),
            reason=row.text("reason"),
        )

    def __str__(self) -> str:
        by = f" by {self.by}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        return f"thrown away{by}{why}"

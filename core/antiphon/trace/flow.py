"""The flow of a recovery beyond steps: what was put off, joins in time, children, answers, ends.

`Flow` gathers the rows about them; what it holds is plain data for whoever draws or explains.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from antiphon.ledger import Entry, Kind
from antiphon.trace.approvals import Approval

_LOSERS = {
    "ignore": "the others are ignored",
    "cancel": "the others do not begin any more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """An event that a step put off."""

    id: str
    """The event's id, which it keeps when it is published."""

    type: str
    subject: str
    cause: str
    """The id of the event that the step reacted to."""

    by: str
    """The group that put it off."""

    at: datetime
    due: datetime | None
    """When it is to be published."""

    dropped: datetime | None = None
    """When it was given up at once, because the recovery had been stopped; None otherwise."""

    @classmethod
    def of(cls, row: Entry) -> Scheduled:
        """Read a row of `scheduled`, or of `dropped`."""
        return cls(
            id=row.text("event"),
            type=row.text("type"),
            subject=row.text("subject"),
            cause=row.text("cause"),
            by=row.text("by"),
            at=row.at,
            due=row.instant("due"),
            dropped=row.at if row.kind == Kind.DROPPED else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinTimeout:
    """A join did not get what it waited for in time."""

    group: str
    at: datetime
    have: int | None
    need: int | None
    missing: tuple[str, ...]
    """The branches that did not come, as `type@subject`."""

    event_id: str
    """The id of the `join.timed_out` event; empty when nothing tells."""

    @classmethod
    def of(cls, row: Entry) -> JoinTimeout:
        """Read a row of `timed_out`."""
        return cls(
            group=row.text("group"),
            at=row.at,
            have=row.whole("have"),
            need=row.whole("need"),
            missing=names(row.text("missing")),
            event_id=row.text("event"),
        )

    def __str__(self) -> str:
        count = f" with {self.have} of {self.need} branches" if self.have and self.need else ""
        missing = f"; missing: {', '.join(self.missing)}" if self.missing else ""
        return f"the join {self.group} gave up{count}{missing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Win:
    """A join fired that does not need all its branches."""

    at: datetime
    branch: str
    """The branch that came first; empty when nothing tells."""

    losers: str
    """What becomes of the others: `ignore` or `cancel`."""

    @classmethod
    def of(cls, row: Entry) -> Win:
        """Read a row of `won`."""
        return cls(at=row.at, branch=row.text("branch"), losers=row.text("losers"))

    def __str__(self) -> str:
        branch = f"{self.branch} was enough" if self.branch else "not all branches were needed"
        others = f"not needed any more: {self.losers}" if self.losers else ""
        others = _LOSERS.get(self.losers, others)
        return f"{branch}; {others}" if others else branch


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """How many branches of a join have arrived."""

    have: int | None
    need: int | None
    since: datetime
    due: datetime | None
    """When it gives up waiting; None when nothing tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A recovery that this one started."""

    id: str
    """Its correlation id."""

    type: str
    subject: str
    by: str
    """The group that started it."""

    cause: str
    """The id of the event that the step reacted to; empty when nothing tells."""

    at: datetime
    closed: datetime | None = None
    verdict: str = ""
    event_id: str = ""
    """The id of the `child.closed` event; empty while the child is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The recovery was found past its deadline."""

    at: datetime
    deadline: datetime | None
    outstanding: tuple[str, ...]
    """What it waited for then, as Redis names it; the first twenty."""

    @classmethod
    def of(cls, row: Entry) -> Stall:
        """Read a row of `stalled`."""
        return cls(
            at=row.at,
            deadline=row.instant("deadline"),
            outstanding=names(row.text("outstanding")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """A person ended the recovery."""

    at: datetime
    by: str
    reason: str

    @classmethod
    def of(cls, row: Entry) -> Cancellation:
        """Read a row of `cancelled`."""
        return cls(at=row.at, by=row.text("by"), reason=row.text("reason"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The completed steps are undone, the last first."""

    at: datetime
    verdict: str
    """What the recovery comes to when that is over; empty when nothing tells."""

    steps: int
    """How many are to be undone."""

    @classmethod
    def of(cls, row: Entry) -> Rollback:
        """Read a row of `undoing`."""
        return cls(at=row.at, verdict=row.text("verdict"), steps=row.whole("steps") or 0)


KINDS = frozenset(
    {
        Kind.SCHEDULED,
        Kind.DROPPED,
        Kind.TIMED_OUT,
        Kind.WON,
        Kind.ASKED,
        Kind.APPROVED,
        Kind.DENIED,
        Kind.EXPIRED,
        Kind.STALLED,
        Kind.CANCELLED,
        Kind.UNDOING,
        Kind.CHILD,
        Kind.CHILD_CLOSED,
    }
)
"""The rows that `Flow` takes in."""


@dataclass(slots=True)
class Flow:
    """Everything but events and deliveries."""

    scheduled: dict[str, Scheduled] = field(default_factory=dict)
    """By event id; also those that were published since."""

    timeouts: list[JoinTimeout] = field(default_factory=list)
    joins: dict[str, Gathered] = field(default_factory=dict)
    """By group: how far a join that still waits has come."""

    wins: dict[tuple[str, str], Win] = field(default_factory=dict)
    """By group and event id of the branch that fired."""

    approvals: dict[str, Approval] = field(default_factory=dict)
    """By id, in the order they were asked for."""

    children: dict[str, Child] = field(default_factory=dict)
    """By correlation id."""

    stall: Stall | None = None
    """Of the period that goes on, or came last."""

    stalls: list[Stall] = field(default_factory=list)
    cancellation: Cancellation | None = None
    rollback: Rollback | None = None
    """The latest; None when nothing was to be undone."""

    def add(self, row: Entry) -> None:
        """Take in one row, of one of `KINDS`."""
        match row.kind:
            case Kind.SCHEDULED | Kind.DROPPED:
                self.scheduled.setdefault(row.text("event"), Scheduled.of(row))
            case Kind.TIMED_OUT:
                self.timeouts.append(JoinTimeout.of(row))
            case Kind.WON:
                self.wins[row.text("group"), row.text("event")] = Win.of(row)
            case Kind.STALLED:
                self.stall = Stall.of(row)
                self.stalls.append(self.stall)
            case Kind.CANCELLED:
                self.cancellation = Cancellation.of(row)
            case Kind.UNDOING:
                self.rollback = Rollback.of(row)
            case Kind.CHILD | Kind.CHILD_CLOSED:
                self._follow(row)
            case _:
                self._answer(row)

    def arrive(self, row: Entry) -> None:
        """Take in a branch of a join that waits for others; the first says until when."""
        first = self.joins.get(row.text("group"))
        self.joins[row.text("group")] = Gathered(
            have=row.whole("have"),
            need=row.whole("need"),
            since=first.since if first else row.at,
            due=row.instant("due") or (first.due if first else None),
        )

    def _answer(self, row: Entry) -> None:
        """Take in what is about an approval; log lines may tell the answer before the question."""
        name = row.text("approval")
        known = self.approvals.get(name)
        if known is None and row.kind != Kind.ASKED:
            known = Approval.of(row)
        self.approvals[name] = Approval.of(row) if known is None else known.then(row)

    def _follow(self, row: Entry) -> None:
        name = row.text("child")
        child = self.children.get(name) or Child(
            id=name, type="", subject="", by="", cause="", at=row.at
        )
        if row.kind == Kind.CHILD_CLOSED:
            child = replace(
                child, closed=row.at, verdict=row.text("verdict"), event_id=row.text("event")
            )
        else:
            child = replace(
                child,
                at=row.at,
                type=row.text("type"),
                subject=row.text("subject"),
                by=row.text("by"),
                cause=row.text("cause"),
            )
        self.children[name] = child


def names(listed: str) -> tuple[str, ...]:
    """Split a list as rows hold it."""
    return tuple(filter(None, listed.split(",")))

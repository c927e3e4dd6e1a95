"""Approvals in a trace: whom a step asked, who answered, and what followed when nobody did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from antiphon.ledger import Entry, Kind

GUARD = "approval"
"""The guard that holds a delivery while people are asked."""

State = Literal["waiting", "granted", "denied", "expired", "dropped"]

_GIVEN_UP = frozenset({"deny", "proceed"})
"""What may follow the last tier and ends the waiting; `escalate` goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one person said."""

    at: datetime
    by: str
    reason: str

    @classmethod
    def of(cls, row: Entry) -> Answer:
        """Read a row of `approved` or `denied`."""
        return cls(at=row.at, by=row.text("by"), reason=row.text("reason"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """A tier did not answer in time."""

    at: datetime
    otherwise: str
    """What followed: `next tier`, `escalate`, `deny` or `proceed`."""

    tier: int

    @classmethod
    def of(cls, row: Entry) -> Expiry:
        """Read a row of `expired`."""
        return cls(at=row.at, otherwise=row.text("otherwise"), tier=row.whole("tier") or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A step that people must agree to before it runs."""

    id: str
    group: str
    event_id: str
    entry: str
    requester: str
    """Who asked for the recovery, and may not answer; empty when nothing tells."""

    asked: datetime
    who: tuple[str, ...]
    """Who may answer; empty when anybody but the requester may."""

    quorum: int
    """How many of them must agree."""

    tier: int
    """How far up it has gone, counted from 1."""

    due: datetime | None
    """When waiting for this tier ends; None for never."""

    otherwise: str
    """What follows when nobody of the last tier answers; empty when nothing tells."""

    votes: tuple[Answer, ...] = ()
    """Those who agreed, the earliest first."""

    granted: datetime | None = None
    """When enough had agreed; None when they have not."""

    denial: Answer | None = None
    expiries: tuple[Expiry, ...] = ()
    """The tiers that did not answer in time."""

    dropped: bool = False
    """Whether the delivery ended for another reason, so that nobody need answer."""

    @classmethod
    def of(cls, row: Entry) -> Approval:
        """Read a row of `asked`."""
        return cls(
            id=row.text("approval"),
            group=row.text("group"),
            event_id=row.text("event"),
            entry=row.text("entry"),
            requester=row.text("requester"),
            asked=row.at,
            who=tuple(filter(None, row.text("who").split(","))),
            quorum=row.whole("quorum") or 1,
            tier=row.whole("tier") or 1,
            due=row.instant("due"),
            otherwise=row.text("otherwise"),
        )

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.denial:
            return "denied"
        if self.granted:
            return "granted"
        last = self.expiries[-1] if self.expiries else None
        over = last is not None and last.tier >= self.tier and last.otherwise in _GIVEN_UP
        if over:
            return "expired"
        return "dropped" if self.dropped else "waiting"

    def then(self, row: Entry) -> Approval:
        """Return it as it stands after a further row about it, in whatever order they come."""
        match row.kind:
            case Kind.ASKED:
                return self._asked_again(Approval.of(row))
            case Kind.APPROVED:
                count, needed = row.whole("votes"), row.whole("quorum") or self.quorum
                # A line that does not count them tells that it was granted.
                granted = row.at if count is None or count >= needed else self.granted
                votes = sorted((*self.votes, Answer.of(row)), key=lambda vote: vote.at)
                return replace(self, votes=tuple(votes), granted=granted)
            case Kind.DENIED:
                return replace(self, denial=Answer.of(row))
            case _:
                missed = sorted((*self.expiries, Expiry.of(row)), key=lambda it: (it.tier, it.at))
                return replace(self, expiries=tuple(missed))

    def _asked_again(self, asked: Approval) -> Approval:
        """Take over whom a later tier asks, and whatever an earlier row did not tell."""
        latest, other = (asked, self) if asked.tier >= self.tier else (self, asked)
        return replace(
            self,
            group=latest.group or other.group,
            event_id=latest.event_id or other.event_id,
            entry=latest.entry or other.entry,
            requester=latest.requester or other.requester,
            asked=min(asked.asked, self.asked),
            who=latest.who,
            quorum=latest.quorum,
            tier=latest.tier,
            due=latest.due,
            otherwise=latest.otherwise or other.otherwise,
        )


def people(it: Approval) -> str:
    """Name who may answer, as in `ana or ben`; with a quorum, how many of them must."""
    names = " or ".join(filter(None, (", ".join(it.who[:-1]), *it.who[-1:]))) or "anybody"
    if it.who and it.quorum == len(it.who) > 1:
        return " and ".join((", ".join(it.who[:-1]), it.who[-1]))
    if it.quorum == 1:
        return names
    return f"{it.quorum} of {', '.join(it.who)}" if it.who else f"{it.quorum} people"


def course(it: Approval) -> list[tuple[datetime, str]]:
    """Say what happened to it so far, each with its instant."""
    return sorted(_events(it), key=lambda told: told[0])


def _events(it: Approval) -> Iterator[tuple[datetime, str]]:
    # Log lines tell of the last vote alone, and then the others cannot be counted.
    counted = it.quorum > 1 and (it.granted is None or len(it.votes) >= it.quorum)
    for number, vote in enumerate(it.votes, 1):
        count = f" ({number} of {it.quorum})" if counted else ""
        yield vote.at, f"approved by {vote.by}{count}{_why(vote)}"
    for missed in it.expiries:
        yield missed.at, _followed(it, missed)
    if it.denial:
        yield it.denial.at, f"denied by {it.denial.by}{_why(it.denial)}"


def _followed(it: Approval, missed: Expiry) -> str:
    nobody = f"nobody of tier {missed.tier} answered" if it.tier > 1 else "nobody answered"
    if missed.tier < it.tier or missed.otherwise == "next tier":
        return f"{nobody}, so tier {missed.tier + 1} was asked"
    match missed.otherwise:
        case "deny":
            return f"{nobody}, so it was denied"
        case "proceed":
            return f"{nobody}, so it went on without"
        case _:
            return f"{nobody}, so people were told; it goes on waiting"


def _why(answer: Answer) -> str:
    return f": {answer.reason}" if answer.reason else ""

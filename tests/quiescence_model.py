"""What a cell should be, worked out in plain Python: who is waited for, and when it is over.

The model knows nothing of Redis. Each method is one step, changes the model as the step should
change the cell, and returns what the step should answer.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from antiphon.broker.calls import Lease
from antiphon.broker.replies import (
    Admission,
    Arrived,
    Closed,
    Committed,
    Duplicate,
    OnHold,
    Refused,
    Run,
    Settlement,
    Suppressed,
    Waiting,
)
from antiphon.delivery import INBOX, Delivery
from antiphon.handler import Handler
from antiphon_events import Failure

UNHEARD = "?"
Member = tuple[str, str, str]
"""Label, entry id, group; joined with bars it is what a recovery waits for."""


@dataclass(frozen=True)
class Written:
    """An entry of an event stream."""

    type: str
    subject: str
    entry_id: str
    correlation_id: str
    failure: bool
    recorded: bool

    def owed_by(self, group: str) -> Member:
        return self.type, self.entry_id, group


@dataclass(frozen=True)
class Brought:
    """One event that a settled delivery brings, and when it goes out."""

    event_id: str
    event: Written
    how: str
    """``now``, ``later`` or ``child``."""


@dataclass
class RecoveryModel:
    """One recovery."""

    open: bool = False
    outstanding: set[Member] = field(default_factory=set)
    adopted: set[tuple[str, str]] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)
    """What the verdict must name, and which of the counters counts it."""
    events: int = 0
    done: int = 0
    dead: int = 0
    unanswered: int = 0
    unjoined: int = 0
    closings: list[tuple[str, int, int, int]] = field(default_factory=list)
    """Verdict, done, dead, unanswered, at every close."""

    def reopen(self) -> None:
        """There is something to wait for, for the first time or again."""
        self.open = True

    def settle(self) -> str:
        """Close when nothing is outstanding; returns the verdict, or nothing."""
        if self.outstanding or not self.open:
            return ""
        verdict = "completed"
        if self.dead + self.unanswered + self.unjoined:
            verdict = "partial" if self.done else "failed"
        self.open = False
        self.closings.append((verdict, self.done, self.dead, self.unanswered))
        return verdict


@dataclass
class KeyModel:
    """The state of one effect."""

    state: str = ""
    holder: str = ""
    owner: str = ""
    consumer: str = ""
    attempts: int = 0
    failures: int = 0
    waiting: set[Member] = field(default_factory=set)


@dataclass(frozen=True)
class Grip:
    """A lease as it was given to a worker; it may be lost since."""

    lease: Lease
    consumer: str

    @property
    def delivery(self) -> Delivery:
        return self.lease.delivery

    @property
    def member(self) -> Member:
        return member_of(self.delivery)

    @property
    def key(self) -> tuple[str, str]:
        return self.delivery.handler.group, self.delivery.key


def member_of(d: Delivery) -> Member:
    return d.label, d.entry_id, d.handler.group


class End(Enum):
    """How a delivery may end."""

    DONE = auto()
    RETRIED = auto()
    RETRIED_LATER = auto()
    RELEASED = auto()
    DIED = auto()


def comparable(reply: Admission) -> Admission:
    """What the model can know of an answer."""
    match reply:
        case Waiting():
            return replace(reply, due_ms=0)
        case OnHold():
            return replace(reply, name="", due_ms=0, expired=False, told=False)
        case Suppressed():
            return Suppressed(reply.guard, "", 0, 0, 0, "", reply.verdict, told=False, path="")
    return reply


class Model:
    """All of a cell."""

    def __init__(self) -> None:
        self.deployed: list[Handler] = []
        self.entries: dict[str, list[Written]] = defaultdict(list)
        self.recoveries: dict[str, RecoveryModel] = {}
        self.keys: dict[tuple[str, str], KeyModel] = defaultdict(KeyModel)
        self.joins: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.pending: dict[Member, str] = {}
        """Which consumer holds a delivery."""
        self.due: dict[Member, bool] = {}
        """Which deliveries wait for an instant, and whether it has come."""
        self.tokens = 0

    def subscribers(self, e: Written) -> list[Handler]:
        return [
            h
            for h in self.deployed
            if any(s.event.type == e.type and s.matches_subject(e.subject) for s in h.selectors)
        ]

    def publish(self, e: Written) -> None:
        self.entries[e.type].append(e)
        self._announce(e)
        self.recoveries[e.correlation_id].settle()

    def write(self, e: Written) -> None:
        """A foreign entry; nobody has seen it yet."""
        self.entries[e.type].append(e)

    def admit(self, d: Delivery, consumer: str, owner: str) -> Admission:
        """Admit a delivery that is pending with this consumer."""
        member, key = member_of(d), self.keys[d.handler.group, d.key]
        name, standing = "|".join(member), self._adopt(d)
        if standing == "closed":
            self._acknowledge(d)
            return Closed()
        recovery, mine = self.recoveries[d.envelope.correlation_id], key.holder == name
        if standing == "new":
            recovery.outstanding.discard((*member[:2], UNHEARD))
            recovery.outstanding.add(member)
        if key.state == "done" or (key.state == "dead" and mine):
            self._acknowledge(d)
            return Duplicate(of=key.holder, verdict=recovery.settle())
        if key.state in {"claimed", "waiting"} and not mine:
            self.due[member] = False
            key.waiting.add(member)
            return Waiting(of=key.holder, due_ms=0)
        if refusal := self._stopped(d, recovery, mine=mine):
            return refusal
        previous = key.consumer if mine and key.state == "claimed" else ""
        key.attempts, key.failures = (key.attempts, key.failures) if mine else (0, 0)
        key.attempts += 1
        key.state, key.holder, key.owner, key.consumer = "claimed", name, owner, consumer
        self.due.pop(member, None)
        self.tokens += 1
        return Run(self.tokens, key.attempts, key.failures, previous, self._branches(d))

    def _stopped(self, d: Delivery, recovery: RecoveryModel, *, mine: bool) -> Admission | None:  # noqa: ARG002
        """Why a delivery whose effect is still to be had does not run now, or None."""
        return self._arrive(d, recovery)

    def skip(self, d: Delivery) -> tuple[str, bool]:
        """Pass over a delivery; returns the verdict, or nothing, and whether it was waited for."""
        self._adopt(d)
        recovery = self.recoveries.get(d.envelope.correlation_id)
        awaited = bool(recovery and member_of(d) in recovery.outstanding)
        self._acknowledge(d)
        if recovery and awaited and not recovery.outstanding and self._declined(d, recovery):
            recovery.unanswered += 1
        return recovery.settle() if recovery else "", awaited

    def _declined(self, d: Delivery, recovery: RecoveryModel) -> bool:
        """Whether a failure was all there was, and nobody did anything about it."""
        some = recovery.done + recovery.dead + recovery.unanswered + recovery.unjoined
        return issubclass(d.handler.kinds[d.type], Failure) and not some

    def standing(self, grip: Grip) -> Settlement | None:
        """Why its holder cannot settle a delivery, or None when it can."""
        key = self.keys[grip.key]
        if key.owner == grip.lease.owner and key.state != "claimed":
            return Committed()
        held = self.pending.get(grip.member) == grip.consumer
        return None if key.owner == grip.lease.owner and held else Refused()

    def commit(self, grip: Grip, events: list[Written]) -> str:
        """Settle with these events; returns the verdict, or nothing."""
        recovery = self._conclude(grip, "done")
        recovery.done += 1
        for e in events:
            self.entries[e.type].append(e)
            self._announce(e)
        self._acknowledge(grip.delivery)
        return recovery.settle()

    def bury(self, grip: Grip) -> str:
        recovery, d = self._conclude(grip, "dead"), grip.delivery
        recovery.dead += 1
        recovery.faults[f"{d.handler.group}:{d.envelope.id}"] = "dead"
        self._acknowledge(d)
        return recovery.settle()

    def postpone(self, grip: Grip, *, failed: bool, at_once: bool) -> None:
        key = self.keys[grip.key]
        key.state = "waiting"
        if failed:
            key.failures += 1
        else:
            key.attempts -= 1
        self.due[grip.member] = at_once

    def replay(self, d: Delivery, entry_id: str) -> None:
        """A dead letter of this delivery is delivered again, as this entry of the inbox."""
        member = (INBOX, entry_id, d.handler.group)
        recovery = self.recoveries[d.envelope.correlation_id]
        recovery.reopen()
        recovery.outstanding.add(member)
        if recovery.faults.pop(f"{d.handler.group}:{d.envelope.id}", None):
            recovery.dead -= 1
        self.pending[member] = "replay"
        self.due[member] = True

    def give_up(self, correlation_id: str, member: Member, *, fault: bool) -> str:
        recovery = self.recoveries[correlation_id]
        recovery.outstanding.discard(member)
        recovery.unanswered += fault
        return recovery.settle()

    def take_due(self, group: str, consumer: str) -> dict[Member, bool]:
        """The deliveries of a group whose instant has come, and whether they are still pending."""
        taken = {m: m in self.pending for m, come in self.due.items() if come and m[2] == group}
        for member, still in taken.items():
            del self.due[member]
            if still:
                self.pending[member] = consumer
        return taken

    def claim(self, group: str, consumer: str) -> set[Member]:
        """Everything of a group that does not wait for an instant."""
        taken = {m for m in self.pending if m[2] == group and m not in self.due}
        self.pending.update(dict.fromkeys(taken, consumer))
        return taken

    def hasten(self, group: str) -> None:
        self.due.update({m: True for m in self.due if m[2] == group})

    def lose(self, group: str, label: str) -> None:
        """The group is destroyed on a stream, and begins again at its first entry."""
        self.pending = {m: c for m, c in self.pending.items() if (m[0], m[2]) != (label, group)}

    def _announce(self, e: Written) -> None:
        known = e.correlation_id in self.recoveries
        if not known:
            self.recoveries[e.correlation_id] = self._new(e)
        recovery, groups = self.recoveries[e.correlation_id], self.subscribers(e)
        if not known or groups:
            recovery.reopen()
        recovery.outstanding |= {e.owed_by(h.group) for h in groups}
        recovery.events += 1
        if not groups and not known:
            recovery.outstanding.add(e.owed_by(UNHEARD))
        elif not groups and e.failure:
            recovery.unanswered += 1

    def _new(self, e: Written) -> RecoveryModel:  # noqa: ARG002
        return RecoveryModel()

    def _adopt(self, d: Delivery) -> str:
        member = member_of(d)
        recovery = self.recoveries.get(d.envelope.correlation_id)
        if recovery and member in recovery.outstanding:
            return "known"
        place, seen = member[:2], bool(recovery and member[:2] in recovery.adopted)
        recorded = d.envelope.recorded
        if recovery and not recovery.open and (recorded or seen):
            return "closed"
        if not seen and not recorded:
            self._announce(next(e for e in self.entries[d.label] if e.entry_id == d.entry_id))
            self.recoveries[d.envelope.correlation_id].adopted.add(place)
        return "new"

    def _arrive(self, d: Delivery, recovery: RecoveryModel) -> Arrived | None:
        if (join := d.handler.join) is None:
            return None
        branches = self.joins[d.handler.group, d.envelope.correlation_id]
        branches.add(d.branch)
        fault = f"join:{d.handler.group}"
        if recovery.faults.pop(fault, None):
            recovery.unjoined -= 1
        if len(branches) >= join.needed:
            return None
        recovery.unjoined += 1
        recovery.faults[fault] = "unjoined"
        self._acknowledge(d)
        return Arrived(len(branches), join.needed, recovery.settle())

    def _branches(self, d: Delivery) -> dict[str, bytes]:
        arrived = self.joins[d.handler.group, d.envelope.correlation_id]
        return {branch: branch.encode() for branch in arrived} if d.handler.join else {}

    def _conclude(self, grip: Grip, state: str) -> RecoveryModel:
        key = self.keys[grip.key]
        key.state = state
        self.due.update({m: True for m in key.waiting if m in self.due})
        key.waiting.clear()
        return self.recoveries[grip.delivery.envelope.correlation_id]

    def _acknowledge(self, d: Delivery) -> None:
        member = member_of(d)
        self.pending.pop(member, None)
        self.due.pop(member, None)
        if recovery := self.recoveries.get(d.envelope.correlation_id):
            recovery.outstanding.discard(member)


def about_undo(d: Delivery) -> str:
    return f"undo:{d.handler.group}:{d.envelope.id}"

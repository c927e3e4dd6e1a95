"""The part: what one handler plays in the choreography."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from antiphon.choreography.acceptance import accepted_by
from antiphon.choreography.emission import Emission, How
from antiphon.choreography.fact import Fact, Kind, fact_of
from antiphon.choreography.promise import Alternative, Promise, read_promise
from antiphon.choreography.source import Mention, mentions
from antiphon.duration import format_duration
from antiphon.flow.approval import Approval
from antiphon_events import ChildClosed, Failure, JoinTimedOut, Selector

if TYPE_CHECKING:
    from antiphon.flow.course import OnFailure
    from antiphon.handler import Handler

_BUDGET = "budget"
_VISITS = "max_visits"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Events that a handler reacts to, or one branch of its join."""

    type: str
    kind: Kind
    subjects: tuple[str, ...] = ()
    """Empty: any."""
    conditional: bool = False
    """Only those for which a predicate holds, which is not looked into."""

    def __str__(self) -> str:
        about = f" about {' or '.join(self.subjects)}" if self.subjects else ""
        return f"{self.type}{about}{' on a condition' if self.conditional else ''}"

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The same, one for each subject."""
        return tuple(Fact(self.type, self.kind, s) for s in self.subjects or (None,))

    @property
    def narrow(self) -> bool:
        """Whether some event of the type may be none of these."""
        return bool(self.subjects) or self.conditional

    def meets(self, other: Trigger) -> bool:
        """Whether some event may be one of these and one of those."""
        apart = self.subjects and other.subjects and not {*self.subjects} & {*other.subjects}
        return self.type == other.type and not apart

    def covers(self, other: Trigger) -> bool:
        """Whether each of those is one of these."""
        inside = not self.subjects or (
            bool(other.subjects) and {*other.subjects} <= {*self.subjects}
        )
        return self.type == other.type and not self.conditional and inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One handler: what it reacts to, what it may complete with, and what bounds it."""

    group: str
    service: str
    file: str
    line: int
    triggers: tuple[Trigger, ...]
    needed: int | None
    """Of a join: how many of the triggers must have come; None for any one of them, each time."""
    emissions: tuple[Emission, ...]
    """What it may bring about, in the order of `How`."""
    alternatives: tuple[Alternative, ...]
    """The ways in which its function may end."""
    unsaid: frozenset[How]
    """On which occasions it may bring about what it does not say."""
    losers: str
    """Of a join: ``cancel`` when steps that it does not need any more do not begin."""
    within: timedelta | None
    """Of a join: how long it waits after the first branch; None for ever."""
    approval: Approval | None
    undo: str | None
    """The name of the function that takes back what it did."""
    attempts: int
    timeout: timedelta | None
    guards: tuple[tuple[str, str], ...]
    """What bounds it, as declared in code, and its retries and timeout: names and values."""
    accepted: tuple[tuple[str, str], ...]
    """Findings that are accepted for it: codes and reasons."""

    def __hash__(self) -> int:
        # Of little, and so quick: the checks keep handlers in sets, and ask them very often.
        return hash((self.group, self.file, self.line))

    @property
    def promised(self) -> tuple[Fact, ...]:
        """What it may publish with its outcome, at once or later."""
        return tuple(dict.fromkeys(one.fact for one in self.emissions if one.how.promised))

    @property
    def vague(self) -> bool:
        """It may bring about what it does not promise."""
        return bool(self.unsaid)

    @property
    def bounded(self) -> bool:
        """Whether something bounds how often it may run in one recovery: its author, or people."""
        return self.budgeted or any(name == _VISITS for name, _ in self.guards)

    @property
    def budgeted(self) -> bool:
        """Whether something bounds how often it may run in all recoveries together."""
        approval = self.approval
        asked = approval is not None and approval.otherwise != "proceed"
        return asked or any(name == _BUDGET for name, _ in self.guards)

    @property
    def join(self) -> str | None:
        """The kind of its join, such as ``all of 2``."""
        if self.needed is None:
            return None
        branches = len(self.triggers)
        if self.needed == branches:
            return f"all of {branches}"
        return f"any of {branches}" if self.needed == 1 else f"{self.needed} of {branches}"

    def hears(self, type_: str) -> bool:
        """Whether it reacts to some events of a type."""
        return any(trigger.type == type_ for trigger in self.triggers)

    def brings(self, type_: str) -> tuple[Emission, ...]:
        """How events of a type may come about by it."""
        return tuple(one for one in self.emissions if one.fact.type == type_)

    def emits(self, *occasions: How) -> tuple[Emission, ...]:
        """What it may bring about on some occasions."""
        return tuple(one for one in self.emissions if one.how in occasions)


def part_of(handler: Handler) -> Part:
    """Read a handler's part from its signature and its options."""
    file, _, line = handler.location.rpartition(":")
    course, undo = handler.course, handler.course.undo
    promise, failing = read_promise(handler.function), _on_failure(course.on_failure)
    said = mentions(handler.function, handler.signature.recovery)
    unsaid = {
        How.PUBLISHES: promise.vague,
        How.FAILURE: failing.vague,
        How.STARTS: any(one.method == "start" and one.event is None for one in said),
    }
    return Part(
        group=handler.group,
        service=handler.service,
        file=file,
        line=int(line),
        triggers=tuple(trigger_of(selector) for selector in handler.selectors),
        needed=handler.join.needed if handler.join else None,
        emissions=tuple(dict.fromkeys(_emissions(handler, promise, failing, said))),
        alternatives=promise.alternatives,
        unsaid=frozenset(how for how, vague in unsaid.items() if vague),
        losers=handler.join.losers if handler.join else "ignore",
        within=course.within,
        approval=course.approval,
        undo=getattr(undo, "__name__", repr(undo)) if undo else None,
        attempts=handler.retry.attempts,
        timeout=handler.timeout,
        guards=tuple(_guards(handler)),
        accepted=accepted_by(handler.function),
    )


def _emissions(
    handler: Handler, promise: Promise, failing: Promise, said: tuple[Mention, ...]
) -> Iterator[Emission]:
    """What its annotation names; then what its source says besides, and when it comes."""
    mentioned = [(one, one.event) for one in said]
    later = {event.type: one for one, event in mentioned if event and one.later}
    for fact in promise.facts:
        put_off = later.pop(fact.type, None)
        yield Emission(fact, How.LATER, put_off.after) if put_off else Emission(fact)
    known = {fact.type for fact in promise.facts}
    for one, event in mentioned:
        if one.method == "publish" and event and event.type not in known:
            how = How.LATER if one.later else How.PUBLISHES
            yield Emission(fact_of(event), how, one.after)
    for fact in failing.facts:
        yield Emission(fact, How.FAILURE)
    if handler.course.within is not None:
        yield Emission(fact_of(JoinTimedOut), How.TIMEOUT)
    for one, event in mentioned:
        if one.method == "start" and event:
            yield Emission(fact_of(event), How.STARTS)
    if any(one.method == "start" for one in said):
        yield Emission(fact_of(ChildClosed), How.CHILD)


def _on_failure(on_failure: OnFailure | None) -> Promise:
    """What is published when a step is given up."""
    if on_failure is None:
        return Promise(())
    if isinstance(on_failure, type) and issubclass(on_failure, Failure):
        return Promise((Alternative((fact_of(on_failure),)),))
    return read_promise(on_failure)


def trigger_of(selector: Selector) -> Trigger:
    """The events that a selector selects."""
    event = selector.event
    return Trigger(
        event.type, Kind.of(event), tuple(sorted(selector.subjects)), bool(selector.predicates)
    )


def _guards(handler: Handler) -> Iterator[tuple[str, str]]:
    declared = handler.guards
    if budget := declared.budget:
        yield "budget", f"{budget} of {budget.action}" if budget.action else str(budget)
    if declared.rate:
        yield "rate", str(declared.rate)
    if declared.service_rate:
        yield "service_rate", str(declared.service_rate)
    if declared.breaker:
        yield "breaker", declared.breaker.name or handler.group
    if declared.exclusive:
        yield "exclusive", declared.exclusive
    if declared.max_age is not None:
        yield "max_age", format_duration(declared.max_age) if declared.max_age else "off"
    if declared.max_visits is not None:
        yield "max_visits", str(declared.max_visits)
    yield "attempts", str(handler.retry.attempts)
    yield "timeout", "none" if handler.timeout is None else format_duration(handler.timeout)

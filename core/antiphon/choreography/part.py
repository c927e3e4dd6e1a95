"""The part: what one handler plays in the choreography."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from antiphon.choreography.acceptance import accepted_by
from antiphon.choreography.fact import Fact, Kind
from antiphon.choreography.promise import read_promise
from antiphon.duration import format_duration
from antiphon_events import Selector

if TYPE_CHECKING:
    from antiphon.handler import Handler

_BOUNDS = {"budget", "max_visits"}


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
    promised: tuple[Fact, ...]
    vague: bool
    """It may publish what it does not promise."""
    attempts: int
    timeout: timedelta | None
    guards: tuple[tuple[str, str], ...]
    """What bounds it, as declared in code, and its retries and timeout: names and values."""
    accepted: tuple[tuple[str, str], ...]
    """Findings that are accepted for it: codes and reasons."""

    @property
    def bounded(self) -> bool:
        """Whether its author has said how often it may run."""
        return any(name in _BOUNDS for name, _ in self.guards)

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

    def promises(self, type_: str) -> bool:
        """Whether it says that it may publish events of a type."""
        return any(fact.type == type_ for fact in self.promised)


def part_of(handler: Handler) -> Part:
    """Read a handler's part from its signature and its options."""
    file, _, line = handler.location.rpartition(":")
    promise = read_promise(handler.function, handler.signature.completions)
    return Part(
        group=handler.group,
        service=handler.service,
        file=file,
        line=int(line),
        triggers=tuple(_trigger(selector) for selector in handler.selectors),
        needed=handler.join.needed if handler.join else None,
        promised=promise.facts,
        vague=promise.vague,
        attempts=handler.retry.attempts,
        timeout=handler.timeout,
        guards=tuple(_guards(handler)),
        accepted=accepted_by(handler.function),
    )


def _trigger(selector: Selector) -> Trigger:
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

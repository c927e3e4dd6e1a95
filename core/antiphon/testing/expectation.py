"""What a test expects of a recovery, said of its trace; what is not met shows the whole picture."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Self

from rich.console import Console

from antiphon.trace import Approval, Step, StepOutcome, Trace
from antiphon.trace.picture import Picture
from antiphon_events import Event

_WIDTH = 100


class Unmet(AssertionError):
    """The recovery is not as expected; says what was expected, and draws the trace."""

    def __init__(self, what: str, trace: Trace) -> None:
        super().__init__(what, trace)
        self.what = what
        self.trace = trace

    def __str__(self) -> str:
        # Drawn when somebody reads it: a wait meets many that nobody does.
        file = io.StringIO()
        Console(file=file, width=_WIDTH, color_system=None).print(Picture(self.trace))
        return f"{self.what}\n\n{file.getvalue()}"


def expect(trace: Trace) -> Expectation:
    """Begin to say what a trace should show: ``expect(trace).completed().ran("api.restart")``."""
    return Expectation(trace)


class Expectation:
    """Each method holds the trace to one thing, and returns itself for the next.

    Handlers go by the names of their groups, `service.handler`; guards by the names that the
    ledger gives them, such as `budget`, `rate`, `breaker`, `pause`.

    Raises:
        Unmet: from every method, when the trace does not show that.
        ValueError: from those that are given a handler's name, when it cannot be one.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def closed(self) -> Self:
        """Nothing is outstanding, whatever the verdict."""
        __tracebackhide__ = True
        return self._hold(self.trace.status == "closed", "be closed", self._standing())

    def completed(self) -> Self:
        """Every step ended well."""
        __tracebackhide__ = True
        return self._verdict("completed")

    def partial(self) -> Self:
        """Some of it came to a good end, and some did not."""
        __tracebackhide__ = True
        return self._verdict("partial")

    def failed(self) -> Self:
        """Nothing came to a good end."""
        __tracebackhide__ = True
        return self._verdict("failed")

    def halted(self) -> Self:
        """It went beyond a limit, and was stopped."""
        __tracebackhide__ = True
        return self._verdict("halted")

    def cancelled(self) -> Self:
        """A person ended it."""
        __tracebackhide__ = True
        return self._verdict("cancelled")

    def rolled_back(self) -> Self:
        """Its completed steps were undone, each that says how, and none is left to be."""
        __tracebackhide__ = True
        summary, began = self.trace.summary, self.trace.rollback
        met = began is not None and not (summary.undos or summary.notundone)
        seen = (
            f"undone: {summary.undone}, left: {summary.undos}, not possible: {summary.notundone}"
            if began
            else "nothing was to be undone"
        )
        return self._hold(met, "be rolled back", seen)

    def stalled(self) -> Self:
        """It passed its deadline with work left."""
        __tracebackhide__ = True
        return self._hold(self.trace.stall is not None, "pass its deadline", "it did not")

    def timed_out(self, handler: str) -> Self:
        """The handler's join gave up waiting."""
        __tracebackhide__ = True
        self._steps(handler)
        joins = [timeout.group for timeout in self.trace.timeouts]
        seen = f"the joins that did so: {_listed(joins)}"
        return self._met(handler in joins, f"{handler} to give up waiting", seen)

    def approved(self, handler: str, *, by: str | None = None) -> Self:
        """People agreed that a delivery of the handler may run; or this person did, among them."""
        __tracebackhide__ = True
        return self._answered(handler, "granted", "be approved", by)

    def denied(self, handler: str, *, by: str | None = None) -> Self:
        """Somebody refused a delivery of the handler; or this person did."""
        __tracebackhide__ = True
        return self._answered(handler, "denied", "be denied", by)

    def ran(self, handler: str, *, times: int | None = None) -> Self:
        """The handler ran: so often, every attempt counted, or at least once; undoing is apart."""
        __tracebackhide__ = True
        ran = sum(len(step.attempts) for step in self._steps(handler) if not step.undo_of)
        return self._count(ran, times, handler, ("run", "ran"))

    def did_not_run(self, handler: str) -> Self:
        """The handler never ran."""
        __tracebackhide__ = True
        return self.ran(handler, times=0)

    def died(self, handler: str, *, because: str = "") -> Self:
        """A delivery of the handler became a dead letter, for an error that has this in it."""
        __tracebackhide__ = True
        steps = self._steps(handler)
        errors = [step.attempts[-1].error or "" for step in steps if _is_dead(step)]
        if errors:
            wanted, seen = f"die because of {because!r}", f"it died of {_listed(errors)}"
        else:
            wanted, seen = "die", f"its deliveries: {_listed(step.outcome for step in steps)}"
        met = any(because in error for error in errors)
        return self._met(met, f"{handler} to {wanted}", seen)

    def undone(self, handler: str, *, times: int | None = None) -> Self:
        """What the handler had completed was undone: so often, or at least once."""
        __tracebackhide__ = True
        undos = [step for step in self._steps(handler) if step.undo_of]
        seen = sum(step.outcome == StepOutcome.COMPLETED for step in undos)
        return self._count(seen, times, handler, ("be undone", "was undone"))

    def published(
        self, kind: type[Event], *, subject: str | None = None, times: int | None = None
    ) -> Self:
        """Such events are part of the recovery: so many, or at least one, the first included."""
        __tracebackhide__ = True
        wanted = kind.type if subject is None else f"{kind.type} about {subject}"
        found = [
            event
            for event in self.trace.events
            if event.type == kind.type and subject in {None, event.subject}
        ]
        return self._count(len(found), times, wanted, ("be published", "was published"))

    def did_not_publish(self, kind: type[Event], *, subject: str | None = None) -> Self:
        """No such event is part of the recovery."""
        __tracebackhide__ = True
        return self.published(kind, subject=subject, times=0)

    def held_by(self, guard: str, handler: str | None = None) -> Self:
        """The guard held a delivery back, whether or not it let it run later."""
        __tracebackhide__ = True
        guards = [hold.guard.kind for step in self._steps(handler) for hold in step.holds]
        return self._guarded(guard, guards, f"{handler or 'a delivery'} to be held")

    def suppressed_by(self, guard: str, handler: str | None = None) -> Self:
        """The guard ended a delivery before it could run."""
        __tracebackhide__ = True
        found = [step.suppression for step in self._steps(handler) if step.suppression]
        guards = [suppression.guard.kind for suppression in found]
        return self._guarded(guard, guards, f"{handler or 'a delivery'} to be suppressed")

    def escalated_by(self, guard: str) -> Self:
        """People were told because this guard gave up."""
        __tracebackhide__ = True
        guards = [told.guard.kind for told in self.trace.escalations]
        return self._guarded(guard, guards, "people to be told")

    def _answered(self, handler: str, state: str, wanted: str, by: str | None) -> Self:
        __tracebackhide__ = True
        self._steps(handler)
        asked = [approval for approval in self.trace.approvals if approval.group == handler]
        met = any(one.state == state and by in {None, *_voices(one)} for one in asked)
        seen = _listed(" by ".join((one.state, *_voices(one))) for one in asked)
        by_whom = f" by {by}" if by else ""
        return self._met(met, f"{handler} to {wanted}{by_whom}", f"its approvals: {seen}")

    def _verdict(self, wanted: str) -> Self:
        __tracebackhide__ = True
        return self._hold(self.trace.verdict == wanted, f"be {wanted}", self._standing())

    def _standing(self) -> str:
        if self.trace.status == "closed":
            return f"it is {self.trace.verdict}"
        owed = "; ".join(owed.words for owed in self.trace.outstanding)
        return f"it is open, and waits for this: {owed or 'nothing that is known'}"

    def _guarded(self, guard: str, guards: Sequence[str], wanted: str) -> Self:
        __tracebackhide__ = True
        seen = f"the guards that did so: {_listed(guards)}"
        return self._met(guard in guards, f"{wanted} by {guard}", seen)

    def _count(self, seen: int, times: int | None, who: str, verb: tuple[str, str]) -> Self:
        __tracebackhide__ = True
        does, did = verb
        met = seen > 0 if times is None else seen == times
        wanted = f"{who} not to {does}" if times == 0 else f"{who} to {does}"
        wanted += f" {_often(times)}" if times else ""
        return self._met(met, wanted, f"it {did} {_often(seen)}" if seen else f"it never {did}")

    def _hold(self, met: bool, wanted: str, seen: str) -> Self:  # noqa: FBT001  it is the point
        __tracebackhide__ = True
        return self._met(met, f"the recovery to {wanted}", seen)

    def _met(self, met: bool, wanted: str, seen: str) -> Self:  # noqa: FBT001  as above
        __tracebackhide__ = True
        if not met:
            raise Unmet(f"expected {wanted}; {seen}", self.trace)
        return self

    def _steps(self, handler: str | None) -> list[Step]:
        if handler is not None and not all(handler.partition(".")):
            raise ValueError(f"{handler!r} names no handler: write it as 'service.handler'")
        return [step for step in self.trace.steps if handler in {None, step.group}]


def _is_dead(step: Step) -> bool:
    return step.outcome == StepOutcome.DIED and bool(step.attempts)


def _voices(approval: Approval) -> list[str]:
    """Who agreed, or who refused."""
    answers = [approval.denial] if approval.denial else [*approval.votes]
    return [answer.by for answer in answers]


def _often(times: int) -> str:
    return "once" if times == 1 else f"{times} times"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(map(str, words))) or "none"

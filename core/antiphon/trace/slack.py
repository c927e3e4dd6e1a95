"""Slack: what waited without needing to, and what could have run side by side.

Nothing is guessed. A guard, people, the pause before a retry, an event put off, a join and another
delivery with the same key are reasons to wait, however long; so is the clock of a person who is to
replay a dead letter. What is left of a step's life is time in which it could have run and did not.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from antiphon.trace import approvals
from antiphon.trace.news import NEWS
from antiphon.trace.parts import AttemptOutcome, Step, StepOutcome
from antiphon.trace.schedule import Schedule
from antiphon.trace.words import spell

if TYPE_CHECKING:
    from antiphon.trace.approvals import Approval
    from antiphon.trace.model import Trace

NEGLIGIBLE = timedelta(milliseconds=50)
"""A hop takes its round trips whatever one does; only what is longer is worth a word."""

_MOST_CANDIDATES = 16
"""Pairs that are worked out; only the longest are of use to anybody."""

_NOT_TAKEN_UP = "no worker took it up"
_BUSY = "its worker was at work on other steps"
_SILENT = "its worker fell silent, and the lease had to run out"
_HANDED_BACK = "its worker was stopped, and no other took it up"
_DUE = "no worker took it up again when it was due"
_AGREED = "no worker took it up when people had agreed"
_LATE_TIMER = "no worker published its event when that was due"


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """A time in which a step could have run and did not, although nothing required it to wait."""

    step: Step
    since: datetime
    until: datetime
    why: str
    """In a few words, as far as the recovery's own record tells."""

    @property
    def length(self) -> timedelta:
        """How long that was; always positive."""
        return self.until - self.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Two neighbours on the critical path that are about different things.

    Whether the second needs what the first did, only their authors know.
    """

    first: Step
    second: Step
    saves: timedelta
    """By how much the recovery would be shorter at most, had both begun together."""

    def __str__(self) -> str:
        return (
            f"if {self.second.group} does not need what {self.first.group} did, "
            f"side by side saves up to {spell(self.saves)}"
        )


def idle(trace: Trace) -> tuple[Idle, ...]:
    """Find what waited without needing to, the earliest first; no two of one step overlap."""
    asked = {it.id: it for it in trace.approvals}
    busy = _Busy(trace.steps)
    schedule = Schedule(trace)
    found = [
        each
        for step in trace.steps
        if step.event_type not in NEWS
        for each in _gaps(step, schedule.ready[step.id], trace, asked, busy)
    ]
    found.extend(_late_timers(trace))
    kept = [each for each in found if each.length >= NEGLIGIBLE]
    return tuple(sorted(kept, key=lambda each: (each.since, each.until)))


def lost(trace: Trace, found: Sequence[Idle] | None = None) -> timedelta:
    """Reckon how much shorter the critical path would be without what waited needlessly.

    Another path may take the lead then, so this may be less than what the steps waited together.
    What a step waited for with a reason is taken to last as long as it did.

    Args:
        trace: The trace.
        found: What `idle` said of it, when that is at hand.
    """
    found = idle(trace) if found is None else found
    if not found:
        return timedelta()
    schedule, wasted = Schedule(trace), dict[str, timedelta]()
    for each in found:
        # What ended before the step could begin kept its event from everybody.
        late = each.until <= schedule.ready[each.step.id]
        name = each.step.event_id if late else each.step.id
        wasted[name] = wasted.get(name, timedelta()) + each.length
    # By clocks that differ, a path can be longer than the recovery.
    return min(schedule.gain(wasted), trace.critical_path.duration, trace.open_for)


def parallel(trace: Trace) -> tuple[Parallel, ...]:
    """Find what could have run side by side, if the second did not need what the first did."""
    joins = {step.group for step in trace.steps if step.outcome == StepOutcome.JOINED}
    put_off = {it.id for it in trace.scheduled} | {it.event_id for it in trace.timeouts}
    put_off |= {it.event_id for it in trace.children}
    subjects = {event.id: event.subject for event in trace.events}
    pairs = [
        (first, second)
        for first, second in pairwise(trace.critical_path.steps)
        if second.event_id in first.published
        and second.event_id not in put_off
        and first.outcome == StepOutcome.COMPLETED
        and not (first.group in joins or second.group in joins or first.won or second.won)
        and not (first.undo_of or second.undo_of)
        and not _about(first, subjects) & _about(second, subjects)
    ]
    schedule, as_of = Schedule(trace), trace.as_of
    longest = sorted(pairs, key=lambda pair: -min(it.lasted(as_of) for it in pair))
    found = []
    for first, second in longest[:_MOST_CANDIDATES]:
        saves = schedule.gain({}, beside=(first, second))
        if saves >= NEGLIGIBLE:
            found.append(Parallel(first=first, second=second, saves=saves))
    return tuple(sorted(found, key=lambda each: -each.saves))


def _about(step: Step, subjects: Mapping[str, str]) -> set[str]:
    """Name what a step is about: what it published is, and failing that what it reacted to."""
    return {subjects[event_id] for event_id in step.published} or {step.subject}


def _gaps(
    step: Step,
    began: datetime,
    trace: Trace,
    asked: Mapping[str, Approval],
    busy: _Busy,
) -> Iterator[Idle]:
    """Go along the life of a step and tell what is neither work nor a reason to wait."""
    if not step.attempts and step.outcome not in {StepOutcome.HELD, StepOutcome.OWED}:
        return
    cursor, why = began, _NOT_TAKEN_UP
    for since, until, after in sorted(_reasons(step, trace.as_of, asked), key=lambda it: it[:2]):
        if since - cursor >= NEGLIGIBLE:
            yield _idle(step, cursor, since, why, busy)
        if until >= cursor:
            cursor, why = until, after
    waits_on = {StepOutcome.RETRYING, StepOutcome.RELEASED, StepOutcome.OWED}
    if trace.closed is None and step.outcome in waits_on and trace.as_of > cursor:
        yield Idle(step=step, since=cursor, until=trace.as_of, why=why)


def _reasons(
    step: Step, as_of: datetime, asked: Mapping[str, Approval]
) -> Iterator[tuple[datetime, datetime, str]]:
    """Tell when it worked or had to wait, and what a gap behind that would mean."""
    for attempt in step.attempts:
        end = attempt.end or as_of
        match attempt.outcome:
            case AttemptOutcome.TAKEN_OVER:
                told = step.progress.at if step.progress else attempt.start
                alive = told if attempt.start <= told <= end else attempt.start
                yield attempt.start, alive, _SILENT
            case AttemptOutcome.RETRIED:
                yield attempt.start, max(attempt.due or end, end), _DUE
            case AttemptOutcome.RELEASED:
                yield attempt.start, end, _HANDED_BACK
            case _:
                yield attempt.start, end, _NOT_TAKEN_UP
    for hold in step.holds:
        over = hold.until or as_of
        answer = _agreed(asked.get(hold.guard.name)) if hold.guard.kind == approvals.GUARD else None
        if answer is not None and hold.since <= answer <= over:
            yield hold.since, answer, _AGREED
        else:
            yield hold.since, over, _NOT_TAKEN_UP
    for wait in step.key_waits:
        yield wait.since, wait.until or as_of, _NOT_TAKEN_UP


def _agreed(approval: Approval | None) -> datetime | None:
    """Return when the step was free to run as far as people are concerned."""
    if approval is None:
        return None
    if approval.granted:
        return approval.granted
    last = approval.expiries[-1] if approval.expiries else None
    return last.at if last and last.otherwise == "proceed" else None


def _idle(step: Step, since: datetime, until: datetime, why: str, busy: _Busy) -> Idle:
    if why != _SILENT and busy.throughout(_taker(step, until), since, until):
        why = _BUSY
    return Idle(step=step, since=since, until=until, why=why)


def _taker(step: Step, at: datetime) -> str:
    return next((a.consumer for a in step.attempts if a.start >= at), "")


def _late_timers(trace: Trace) -> Iterator[Idle]:
    """Tell of events that were put off and came late: once each, with a step that answered."""
    due = {it.id: it.due for it in trace.scheduled if it.due}
    if not due:
        return
    times = {event.id: event.time for event in trace.events}
    critical = {step.id for step in trace.critical_path.steps}
    answers: dict[str, Step] = {}
    for step in trace.steps:
        if step.event_id in due and step.attempts and not step.replay_of and not step.undo_of:
            known = answers.setdefault(step.event_id, step)
            answers[step.event_id] = step if step.id in critical else known
    for event_id, step in answers.items():
        since, until = due[event_id], times.get(event_id)
        if since is not None and until is not None and until > since:
            yield Idle(step=step, since=since, until=until, why=_LATE_TIMER)


class _Busy:
    """Knows when each worker was at work in this recovery, without a noticeable break."""

    def __init__(self, steps: Sequence[Step]) -> None:
        spans: dict[str, list[tuple[datetime, datetime]]] = {}
        for step in steps:
            for attempt in step.attempts:
                # A worker that fell silent was not at work, and one still running has no end yet.
                if attempt.end and attempt.outcome != AttemptOutcome.TAKEN_OVER:
                    spans.setdefault(attempt.consumer, []).append((attempt.start, attempt.end))
        self._spans = {consumer: _merged(found) for consumer, found in spans.items()}

    def throughout(self, consumer: str, since: datetime, until: datetime) -> bool:
        """Whether it was at work from `since` to `until`."""
        spans = self._spans.get(consumer, ())
        position = bisect_right(spans, since + NEGLIGIBLE, key=lambda span: span[0]) - 1
        return position >= 0 and spans[position][1] >= until - NEGLIGIBLE


def _merged(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    merged: list[tuple[datetime, datetime]] = []
    for since, until in sorted(spans):
        if merged and since <= merged[-1][1] + NEGLIGIBLE:
            merged[-1] = merged[-1][0], max(merged[-1][1], until)
        else:
            merged.append((since, until))
    return merged

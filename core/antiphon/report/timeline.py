"""The timeline of a recovery: what happened, instant by instant, and what of it people did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from antiphon.report.deeds import Deed, replayed_at
from antiphon.trace import Attempt, AttemptOutcome, Step, StepOutcome, Trace
from antiphon.trace import approvals as asking
from antiphon.trace.pending import brief
from antiphon.trace.periods import course
from antiphon.trace.words import clock, percent, spell

_ENDS = {
    AttemptOutcome.COMPLETED: "completed",
    AttemptOutcome.RETRIED: "failed",
    AttemptOutcome.DIED: "failed for good",
    AttemptOutcome.RELEASED: "was handed back by a stopping worker",
    AttemptOutcome.HELD: "met a guard on its way",
    AttemptOutcome.UNKNOWN: "ended, and nothing tells how",
}
_SETTLED = {
    StepOutcome.SKIPPED: "did not run: its condition said no",
    StepOutcome.DUPLICATE: "did not run: another delivery had done it",
    StepOutcome.JOINED: "waits for the other branches of its join",
    StepOutcome.LATE: "did not run: its join had given up waiting",
    StepOutcome.OUTRUN: "did not run: its join has what it needs",
    StepOutcome.LOST: "was lost",
}
DID = {
    "approve": "approved",
    "deny": "denied",
    "acknowledge": "acknowledged the escalation",
    "cancel": "cancelled the recovery",
    "replay": "delivered a dead letter again to",
    "drop": "threw away a dead letter of",
    "pause": "paused",
    "resume": "resumed",
    "reset a guard": "reset the guard",
}
"""What a person did, before what it was about."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened."""

    at: datetime
    words: str
    by_hand: bool = False
    plain: bool = False
    """Whether it is the ordinary course: an event, a beginning, a completion."""


def timeline(trace: Trace, done: Sequence[Deed]) -> list[Moment]:
    """Tell everything in the order of time."""
    events = list(_events(trace))
    found = [
        *events[:1],
        # What people did comes before what followed at the same instant.
        *(Moment(it.at, told(it), by_hand=True) for it in done),
        *(moment for step in trace.steps for moment in _step(step, trace.as_of)),
        *events[1:],
        *_course(trace),
        *_decisions(trace),
    ]
    for at, words in course(trace.periods):
        found.append(Moment(at, f"the recovery was {words}"))
    if trace.closed:
        verdict = trace.verdict or "over, and nothing tells how"
        found.append(Moment(trace.closed, f"the recovery was closed as {verdict}"))
    return sorted(found, key=lambda moment: moment.at)


def abridged(moments: Sequence[Moment], most: int) -> tuple[list[Moment], int]:
    """Leave out what does not fit: the ordinary course first, what people did last.

    Of each, it goes from the end: the beginning is what the rest is understood by. The first and
    the last moment stay.

    Returns:
        The moments, in order, and how many were left out.
    """
    excess = max(len(moments) - most, 0)
    spare = range(len(moments) - 2, 0, -1)
    dropped = set(sorted(spare, key=lambda i: _weight(moments[i]))[:excess])
    return [it for i, it in enumerate(moments) if i not in dropped], len(dropped)


def _weight(it: Moment) -> int:
    return 2 if it.by_hand else 0 if it.plain else 1


def told(it: Deed) -> str:
    """Say what a person did."""
    about = f" {it.about}" if it.about else ""
    why = f": {it.reason}" if it.reason else ""
    return f"{it.by or 'somebody'} {DID[it.act]}{about}{why}"


def _events(trace: Trace) -> Iterator[Moment]:
    for it in trace.events:
        by = f" by {it.by}" if it.by else ""
        yield Moment(it.time, f"{it.type} about {it.subject} was published{by}", plain=True)


def _step(step: Step, as_of: datetime) -> Iterator[Moment]:
    undo = "the undo of " if step.undo_of else ""
    name = f"{undo}{step.group}"
    for hold in step.holds:
        if hold.guard.kind == asking.GUARD:
            continue
        yield Moment(hold.since, f"{name} was held by {hold.guard}")
        if hold.until is not None:
            held = spell(hold.lasted(as_of))
            yield Moment(hold.until, f"{name} was let go by {hold.guard} after {held}")
    for attempt in step.attempts:
        yield from _attempt(name, attempt, as_of)
    if no := step.suppression:
        yield Moment(no.at, f"{name} was suppressed by {no.guard}: {no.why}")
    elif step.outcome in _SETTLED:
        note = f" ({step.note})" if step.note else ""
        at, words = step.end or step.start, _SETTLED[step.outcome]
        yield Moment(at, f"{name} {words}{note}", plain=step.outcome != StepOutcome.LOST)
    if step.won:
        yield Moment(step.won.at, f"the join of {name} fired: {step.won}")
    if it := step.progress:
        said = f"{percent(it.fraction)} {it.message}".rstrip()
        yield Moment(it.at, f"{name} said: {said}", plain=True)


def _attempt(name: str, it: Attempt, as_of: datetime) -> Iterator[Moment]:
    which = f" attempt {it.no}" if it.no > 1 else ""
    after = ", which a silent worker had held" if it.taken_over_from else ""
    yield Moment(it.start, f"{name} began{which}{after}", plain=not after)
    if it.end is None:
        return
    if it.outcome == AttemptOutcome.TAKEN_OVER:
        yield Moment(it.end, f"{name} was taken over from {it.consumer}, which fell silent")
        return
    lasted = f" after {spell(it.lasted(as_of))}"
    error = f": {it.error}" if it.error else ""
    again = ""
    if it.outcome == AttemptOutcome.RETRIED and it.due:
        again = f"; to be tried again at {clock(it.due, as_of)}"
    completed = it.outcome == AttemptOutcome.COMPLETED
    yield Moment(it.end, f"{name} {_ENDS[it.outcome]}{lasted}{error}{again}", plain=completed)


def _course(trace: Trace) -> Iterator[Moment]:
    for it in trace.scheduled:
        due = f" until {clock(it.due, trace.as_of)}" if it.due else ""
        yield Moment(it.at, f"{it.type} about {it.subject} was put off{due}", plain=True)
    yield from (Moment(it.at, str(it)) for it in trace.timeouts)
    for child in trace.children:
        yield Moment(child.at, f"the child {child.id} began: {child.type} about {child.subject}")
        if child.closed:
            yield Moment(child.closed, f"the child {child.id} was closed: {child.verdict}")
    if back := trace.rollback:
        yield Moment(back.at, f"the roll-back of {back.steps} completed steps began")
    for stall in (it.stall for it in trace.periods if it.stall):
        waits = ", ".join(map(brief, stall.outstanding))
        yield Moment(stall.at, f"the deadline passed; outstanding: {waits}")


def _decisions(trace: Trace) -> Iterator[Moment]:
    if it := trace.relapse:
        yield Moment(it.at, f"it was taken for a relapse: {it.of} had not held")
    if halt := trace.halt:
        yield Moment(halt.at, f"the recovery was halted by {halt.guard}")
    for told_people in trace.escalations:
        why = f": {told_people.why}" if told_people.why else ""
        yield Moment(told_people.at, f"people were told (tier {told_people.tier}){why}")
    for asked in trace.approvals:
        who = asking.people(asked)
        yield Moment(asked.asked, f"{asked.group} asked for the approval {asked.id} by {who}")
        yield from _missed(asked.expiries, asked.group)


def _missed(expiries: Iterable[asking.Expiry], group: str) -> Iterator[Moment]:
    for it in expiries:
        then = f"; what followed: {it.otherwise}" if it.otherwise else ""
        yield Moment(it.at, f"nobody of tier {it.tier} answered {group} in time{then}")


__all__ = ["DID", "Moment", "abridged", "replayed_at", "timeline", "told"]

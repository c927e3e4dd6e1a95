"""What the head of a picture says about the recovery beyond its times: decisions and reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from antiphon.advised import command
from antiphon.trace.flow import Stall
from antiphon.trace.model import Trace
from antiphon.trace.parts import Step
from antiphon.trace.pending import brief
from antiphon.trace.periods import told
from antiphon.trace.slack import NEGLIGIBLE, Idle, idle, lost
from antiphon.trace.words import clock, spell

_NAMED = 3
"""Steps that are named among those that waited needlessly."""


def part_open(trace: Trace) -> str:
    """Say behind how long it took for how long of that it was open, unless for all of it."""
    return f", {spell(trace.open_for)} of it open" if trace.closed_between else ""


def headlines(trace: Trace) -> Iterator[str]:
    """Say what guards and people decided about the recovery, and then what went wrong."""
    if parent := trace.summary.parent:
        yield f"a child of {parent}: {command('trace', parent)}"
    if trace.summary.coalesced:
        more = trace.summary.coalesced
        yield f"{more} further {'failure' if more == 1 else 'failures'} joined it"
    yield from _relapse(trace)
    if trace.halt:
        yield f"halted by {trace.halt}"
    elif trace.summary.halted:
        yield f"halted: {trace.summary.halted}"
    yield from _cancellation(trace)
    yield from _deadline(trace)
    known = {event.id for event in trace.events}
    yield from (str(it) for it in trace.timeouts if it.event_id not in known)
    yield from _rollback(trace)
    yield from _escalations(trace)
    if trace.summary.left and trace.closed:
        yield f"left behind: {without_path(trace.summary.left, trace)}"
    for reason, times in Counter(trace.summary.reasons).items():
        yield f"! {without_path(reason, trace)}" + (f" ({times}x)" if times > 1 else "")


def slack(trace: Trace) -> Iterator[str]:
    """Say which steps of the critical path waited needlessly, the longest first, and the cost."""
    found = idle(trace)
    cost = lost(trace, found)
    if cost < NEGLIGIBLE:
        return
    critical = {step.id for step in trace.critical_path.steps}
    waited: dict[str, list[Idle]] = {}
    for it in found:
        if it.step.id in critical:
            waited.setdefault(_called(it.step), []).append(it)
    ranked = sorted(waited.values(), key=lambda waits: -_length(waits))
    named = [_waited(waits) for waits in ranked[:_NAMED]]
    if rest := ranked[_NAMED:]:
        named.append(f"{len(rest)} more {spell(sum(map(_length, rest), timedelta()))}")
    yield f"these steps waited without needing to: {', '.join(named)}; -{spell(cost)} without that"


def openings(trace: Trace) -> Iterator[str]:
    """Say of a recovery that was opened again how each period began and ended."""
    if len(trace.periods) == 1:
        return
    for it in trace.periods:
        if said := told(it, trace.as_of):
            yield said
        if it.stall and it.stall != trace.stall:
            yield _passed(it.stall, _by(it.stall.deadline, trace))


def _waited(waits: Sequence[Idle]) -> str:
    longest = max(waits, key=lambda it: it.length)
    return f"{_called(longest.step)} {spell(_length(waits))} ({longest.why})"


def _called(step: Step) -> str:
    return f"undo {step.group}" if step.undo_of else step.group


def _length(waits: Sequence[Idle]) -> timedelta:
    return sum((it.length for it in waits), timedelta())


def _relapse(trace: Trace) -> Iterator[str]:
    it = trace.relapse
    if it is None:
        if trace.summary.relapse_of:
            yield f"a relapse: {trace.summary.relapse_of} did not hold"
        return
    count = f" (relapse {it.value} of {it.limit})" if it.limit and it.value else ""
    yield f"a relapse: {it.of} did not hold{count}"


def _cancellation(trace: Trace) -> Iterator[str]:
    if it := trace.cancellation:
        why = f": {it.reason}" if it.reason else ""
        yield f"cancelled by {it.by} at {clock(it.at, trace.as_of)}{why}"
    elif trace.summary.cancelled:
        yield f"cancelled by {trace.summary.cancelled}"


def _deadline(trace: Trace) -> Iterator[str]:
    """Say by when it was to be over, and what it waited for then."""
    summary, stall = trace.summary, trace.stall
    deadline = summary.deadline or (stall.deadline if stall else None)
    by = _by(deadline, trace)
    if stall is not None:
        yield _passed(stall, by)
    elif summary.stalled or (deadline and deadline < (trace.closed or trace.as_of)):
        yield f"{by} passed"
    elif deadline and not trace.closed:
        yield f"{by}, in {spell(deadline - trace.as_of)}"


def _passed(stall: Stall, by: str) -> str:
    """Say what it waited for when a deadline passed."""
    count = len(stall.outstanding)
    waited = f" with {count} outstanding: {', '.join(map(brief, stall.outstanding))}"
    return f"{by} passed{waited if count else ''}"


def _by(deadline: datetime | None, trace: Trace) -> str:
    return f"deadline {clock(deadline, trace.as_of)}" if deadline else "deadline"


def _rollback(trace: Trace) -> Iterator[str]:
    """Say how much of what was done has been undone."""
    summary, it = trace.summary, trace.rollback
    total = max(it.steps if it else 0, summary.undone + summary.notundone + summary.undos)
    if not total:
        return
    since = f" since {clock(it.at, trace.as_of)}" if it else ""
    going_on = not trace.closed and bool(summary.undoing or summary.undos)
    failed = f", {summary.notundone} could not be" if summary.notundone else ""
    steps = "1 step" if total == 1 else f"{total} steps"
    count = f"{summary.undone} of {steps} undone{failed}"
    yield f"rolling back{since}: {count}" if going_on else f"rolled back: {count}"


def _escalations(trace: Trace) -> Iterator[str]:
    """Say once for every cause what people were told, how far up, and who knows."""
    causes = {(it.guard.kind, it.guard.name): it for it in trace.escalations}
    for it in causes.values():
        why = without_path(it.why, trace)
        at = clock(it.at, trace.as_of)
        yield f"escalated to tier {it.tier} by {it.guard.kind} at {at}: {why}"
    summary, known = trace.summary, trace.acknowledgement
    if not causes and summary.escalated is not None:
        yield f"escalated to tier {summary.tier} at {clock(summary.escalated, trace.as_of)}"
    if known is not None:
        why = f": {known.why}" if known.why else ""
        yield f"acknowledged by {known.by} at {clock(known.at, trace.as_of)}{why}"
    elif summary.acked is not None:
        yield f"acknowledged by {summary.acked_by} at {clock(summary.acked, trace.as_of)}"
    elif summary.escalated is not None:
        yield f"not acknowledged; to do so: {command('ack', summary.correlation_id)}"


def without_path(text: str, trace: Trace) -> str:
    """Leave out the path of a loop, which is said once."""
    return text.replace(f": {trace.halt.path}", "") if trace.halt and trace.halt.path else text

"""What began a recovery, what failed in it first, and what made it end as it did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from antiphon.trace import approvals
from antiphon.trace.headlines import headlines, without_path
from antiphon.trace.news import NEWS, STEP_FAILED
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, StepOutcome
from antiphon.trace.words import clock, named, spell

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

_GIVEN_UP = frozenset({StepOutcome.DIED, StepOutcome.SUPPRESSED, StepOutcome.LOST})


def blame(trace: Trace) -> Iterator[str]:
    """Say it in the order of a story: the beginning, the first trouble, what it came to."""
    yield from _beginning(trace)
    yield from _first(trace)
    yield from _silent(trace)
    yield from _given_up(trace)
    yield from _people(trace)
    reasons = tuple(f"! {without_path(reason, trace)}" for reason in trace.summary.reasons)
    for line in headlines(trace):
        # The reasons have been told above, with the errors that led to them.
        if not line.startswith(reasons) and not line.startswith("not acknowledged"):
            yield _sentence(line)


def _beginning(trace: Trace) -> Iterator[str]:
    if not trace.root_type:
        yield "What began it is not known: nothing tells of its first event."
        return
    source = f", reported by {trace.summary.source}" if trace.summary.source else ""
    at = clock(trace.opened, trace.as_of)
    yield f"It began with {trace.root_type} about {trace.subject} at {at}{source}."


def _first(trace: Trace) -> Iterator[str]:
    """Name the first error, and how that step went on."""
    failed = [
        (attempt, step)
        for step in trace.steps
        for attempt in step.attempts
        if attempt.error and step.event_type not in NEWS
    ]
    if not failed:
        return
    attempt, step = min(failed, key=lambda each: each[0].end or each[0].start)
    at = clock(attempt.end or attempt.start, trace.as_of)
    later = _outcome(step, attempt)
    yield f"What failed first was {named(step)}, at {at}: {attempt.error}{later}"


def _outcome(step: Step, failed: Attempt) -> str:
    last = step.attempts[-1]
    if last is failed:
        return ""
    if step.outcome == StepOutcome.COMPLETED:
        return f" (attempt {last.no} completed)"
    return f" (now attempt {last.no})" if last.outcome == AttemptOutcome.RUNNING else ""


def _silent(trace: Trace) -> Iterator[str]:
    """Name the workers that died or hung, each once."""
    found: dict[str, list[Step]] = {}
    for step in trace.steps:
        for attempt in step.attempts:
            if attempt.outcome == AttemptOutcome.TAKEN_OVER:
                found.setdefault(attempt.consumer, []).append(step)
    for consumer, steps in found.items():
        more = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
        yield f"The worker {consumer} fell silent while it ran {named(steps[0])}{more}."


def _given_up(trace: Trace) -> Iterator[str]:
    """Name every step that ended without being done, and every other reason of the verdict."""
    told: set[str] = set()
    types = {event.id: event.type for event in trace.events}
    replayed = {step.replay_of for step in trace.steps if step.replay_of}
    discards = {it.dead: it for it in trace.discards}
    for step in trace.steps:
        if step.outcome not in _GIVEN_UP or step.event_type in NEWS:
            continue
        told.add(step.group)
        answers = [types[name] for name in step.published if types[name] != STEP_FAILED]
        again = "; it was delivered again" if step.dead and step.dead in replayed else ""
        if step.dead and (thrown := discards.get(step.dead)):
            again = f"; its dead letter was {thrown}"
        answered = f"; its handler answered with {', '.join(answers)}" if answers else ""
        yield without_path(f"{named(step)} {_end(step)}", trace) + answered + again
    for reason in dict.fromkeys(trace.summary.reasons):
        if reason.partition(":")[0] not in told:
            yield _sentence(without_path(reason, trace))


def _end(step: Step) -> str:
    match step.outcome:
        case StepOutcome.SUPPRESSED if step.suppression:
            why = f": {step.suppression.why}" if step.suppression.why else ""
            return f"was not run, because of the guard {step.suppression.guard}{why}"
        case StepOutcome.LOST:
            return f"was given up: {step.note or 'its entry was gone'}"
        case _:
            last = step.attempts[-1] if step.attempts else None
            tries = "1 attempt" if last is None or last.no == 1 else f"{last.no} attempts"
            what = "could not be done" if step.undo_of else "died"
            error = (last and last.error) or "nothing tells with which error"
            return f"{what} after {tries}: {error}"


def _people(trace: Trace) -> Iterator[str]:
    """Say what people decided about steps, or did not decide in time."""
    for it in trace.approvals:
        if it.denial or it.state == "expired":
            _, last = approvals.course(it)[-1]
            yield f"{it.group} asked {approvals.people(it)} for approval; {last}."
    for child in trace.children:
        if child.verdict and child.verdict != "completed":
            what = f"{child.type} about {child.subject}"
            took = f", after {spell(child.closed - child.at)}" if child.closed else ""
            yield f"Its child {child.id} ({what}) ended as {child.verdict}{took}."


def _sentence(line: str) -> str:
    text = line.removeprefix("! ")
    return text[:1].upper() + text[1:]

"""What was held back in a recovery and why, and where its time went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from antiphon.trace import approvals
from antiphon.trace.headlines import slack, without_path
from antiphon.trace.parts import AttemptOutcome, Step, StepOutcome
from antiphon.trace.slack import parallel
from antiphon.trace.words import clock, named, spell

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

_NONE = timedelta()
_LONG = timedelta(milliseconds=50)
_PAIRS = 3

_NOT_RUN = {
    StepOutcome.LATE: "came too late: its join had given up waiting",
    StepOutcome.OUTRUN: "was not begun any more: a join has what it needs without it",
}


def held(trace: Trace) -> Iterator[str]:
    """Say what guards, keys and joins kept from running, step by step."""
    for step in trace.steps:
        for hold in step.holds:
            length, since = spell(hold.lasted(trace.as_of)), clock(hold.since, trace.as_of)
            if hold.until is None:
                yield f"{named(step)} is held by {hold.guard}, for {length} (since {since})."
            else:
                yield f"{named(step)} was held by {hold.guard} for {length}, from {since}."
        for wait in step.key_waits:
            over = (wait.until or trace.as_of) - wait.since
            verb = "waited" if wait.until else "waits"
            holder = wait.of or "another delivery"
            yield f"{named(step)} {verb} {spell(over)} for {holder}, which had its key."
        if step.suppression:
            why = f": {without_path(step.suppression.why, trace)}" if step.suppression.why else ""
            opens = step.suppression.opens
            again = f" (free again at {clock(opens, trace.as_of)})" if opens else ""
            yield f"{named(step)} was kept from running by {step.suppression.guard}{why}{again}"
        if step.outcome == StepOutcome.DUPLICATE:
            yield f"{named(step)} was not run: {step.of or 'another delivery'} had done it."
        if step.outcome in _NOT_RUN:
            yield f"{named(step)} {_NOT_RUN[step.outcome]}."


def time(trace: Trace) -> Iterator[str]:
    """Say where the time of the critical path went."""
    path = trace.critical_path
    if not path.steps:
        yield f"No handler has run in {spell(trace.duration)}."
        return
    longest = max(path.steps, key=lambda step: step.lasted(trace.as_of))
    yield (
        f"On the critical path of {spell(path.duration)}, handlers worked {spell(path.working)}; "
        f"{named(longest)} the longest, {spell(longest.lasted(trace.as_of))}."
    )
    reasons = [f"{spell(length)} {what}" for what, length in _waits(trace) if length >= _LONG]
    if reasons:
        yield f"It had to wait {', '.join(reasons)}."
    for line in slack(trace):
        yield f"{line[:1].upper()}{line[1:]}."
    for pair in parallel(trace)[:_PAIRS]:
        yield f"{str(pair)[:1].upper()}{str(pair)[1:]}."


def _waits(trace: Trace) -> Iterator[tuple[str, timedelta]]:
    """Add up the reasons for which the steps of the critical path had to wait."""
    people = guards = backoff = keys = put_off = _NONE
    later = {it.id: it for it in trace.scheduled}
    times = {event.id: event.time for event in trace.events}
    for step in trace.critical_path.steps:
        for hold in step.holds:
            if hold.guard.kind == approvals.GUARD:
                people += hold.lasted(trace.as_of)
            else:
                guards += hold.lasted(trace.as_of)
        keys += sum(((w.until or trace.as_of) - w.since for w in step.key_waits), _NONE)
        backoff += _backoff(step, trace)
        if (it := later.get(step.event_id)) and step.event_id in times:
            put_off += max(min(it.due or times[it.id], times[it.id]) - it.at, _NONE)
    yield "for people to agree", people
    yield "for guards", guards
    yield "between attempts", backoff
    yield "for an idempotency key", keys
    yield "for events that were put off", put_off


def _backoff(step: Step, trace: Trace) -> timedelta:
    return sum(
        (
            max(min(attempt.due, step.end or trace.as_of) - attempt.end, _NONE)
            for attempt in step.attempts
            if attempt.outcome == AttemptOutcome.RETRIED and attempt.due and attempt.end
        ),
        _NONE,
    )

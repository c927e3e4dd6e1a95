"""The critical path: which chain of steps made the recovery take as long as it did.

A chain is followed backwards, from a step to the event it answered to the step that published it.
The steps of one chain follow one another, so the chain that ends last also explains the total.
An undo answers no event of the recovery: it follows whatever ended last before it began.
Source: critical path tracing, as in Uber's CRISP, on causes that are recorded instead of guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from antiphon.trace.news import NEWS
from antiphon.trace.parts import CriticalPath, Step, TracedEvent


def critical_path(
    events: Sequence[TracedEvent],
    steps: Sequence[Step],
    as_of: datetime,
) -> CriticalPath:
    """Find the chain that ended last; a step that still goes on counts as ending at `as_of`."""
    # Those who hear of the closing do so after the recovery: they did not make it longer.
    worked = [step for step in steps if step.attempts and step.event_type not in NEWS]
    if not worked:
        return CriticalPath(steps=(), duration=timedelta(), working=timedelta())
    by_id = {event.id: event for event in events}
    publishers = {event_id: step for step in steps for event_id in step.published}
    last = max(worked, key=lambda step: step.end or as_of)
    chain, first = _backwards(last, by_id, publishers)
    while chain[-1].undo_of:
        known = {step.id for step in chain}
        before = _before(chain[-1], (step for step in worked if step.id not in known))
        if before is None:
            break
        earlier, first = _backwards(before, by_id, publishers)
        chain += earlier
    began = first.time if first else chain[-1].start
    duration = max((last.end or as_of) - began, timedelta())
    working = sum((step.lasted(as_of) for step in chain), timedelta())
    return CriticalPath(
        steps=tuple(reversed(chain)), duration=duration, working=min(working, duration)
    )


def _before(undo: Step, others: Iterable[Step]) -> Step | None:
    """Return what an undo had to wait for: the step that ended last before it began."""
    ended = [(step.end, step) for step in others if step.end and step.end <= undo.start]
    return max(ended, key=lambda each: each[0])[1] if ended else None


def _backwards(
    last: Step, events: Mapping[str, TracedEvent], publishers: Mapping[str, Step]
) -> tuple[list[Step], TracedEvent | None]:
    """Return the chain, last step first, and the event that began it."""
    chain = [last]
    event = first = events.get(last.event_id)
    seen: set[str] = set()
    # Causes are claims of whoever wrote the entry: they may form a ring.
    while event is not None and event.id not in seen:
        seen.add(event.id)
        first = event
        publisher = publishers.get(event.id)
        if publisher is not None:
            chain.append(publisher)
        event = events.get(publisher.event_id if publisher else event.cause)
    return chain, first

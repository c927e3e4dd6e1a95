"""The critical path: which chain of steps made the recovery take as long as it did.

A chain is followed backwards, from a step to the event it answered to the step that published it.
The steps of one chain follow one another, so the chain that ends last also explains the total.
An undo answers no event of the recovery: it follows whatever ended last before it began.
Where a recovery was closed and opened again, each period has its chain: between them nothing was
owed, and nobody waited.
Source: critical path tracing, as in Uber's CRISP, on causes that are recorded instead of guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from antiphon.instants import entry_instant
from antiphon.trace.news import NEWS
from antiphon.trace.parts import CriticalPath, Step, TracedEvent


def critical_path(
    events: Sequence[TracedEvent],
    steps: Sequence[Step],
    as_of: datetime,
    reopened: Sequence[datetime] = (),
) -> CriticalPath:
    """Find the chain that ended last.

    Args:
        events: What was published.
        steps: What was delivered.
        as_of: When a step that still goes on counts as ending.
        reopened: When the recovery was opened again: each time the chain begins anew.
    """
    # Those who hear of the closing do so after the recovery: they did not make it longer.
    worked = [step for step in steps if step.attempts and step.event_type not in NEWS]
    by_id = {event.id: event for event in events}
    publishers = {event_id: step for step in steps for event_id in step.published}
    in_period: list[list[Step]] = [[] for _ in range(len(reopened) + 1)]
    for step in worked:
        in_period[period_of(step, by_id, reopened)].append(step)
    chain: list[Step] = []
    spans: list[tuple[datetime, datetime]] = []
    for since, those in zip((None, *reopened), in_period, strict=True):
        if those:
            last = max(those, key=lambda step: step.end or as_of)
            found, began = _chain(last, those, by_id, publishers, since)
            chain += reversed(found)
            spans.append((began, max(last.end or as_of, began)))
    duration = sum((until - since for since, until in spans), timedelta())
    working = sum((step.lasted(as_of) for step in chain), timedelta())
    return CriticalPath(
        steps=tuple(chain), duration=duration, working=min(working, duration), spans=tuple(spans)
    )


def period_of(step: Step, events: Mapping[str, TracedEvent], reopened: Sequence[datetime]) -> int:
    """Say how often the recovery had been opened again when a step could begin."""
    if not reopened:
        return 0
    event = events.get(step.event_id)
    # The clock of a worker may be behind that of the server, which dates events and entries.
    written = entry_instant(step.entry) if step.replay_of else event and event.time
    return bisect_right(reopened, max(step.start, written or step.start))


def _chain(
    last: Step,
    others: Sequence[Step],
    events: Mapping[str, TracedEvent],
    publishers: Mapping[str, Step],
    since: datetime | None,
) -> tuple[list[Step], datetime]:
    """Return the chain that ends with a step, last step first, and when it began."""
    chain, first = _backwards(last, events, publishers, since)
    while chain[-1].undo_of:
        known = {step.id for step in chain}
        before = _before(chain[-1], (step for step in others if step.id not in known))
        if before is None:
            break
        earlier, first = _backwards(before, events, publishers, since)
        chain += earlier
    began = first.time if first else chain[-1].start
    return chain, max(began, since) if since else began


def _before(undo: Step, others: Iterable[Step]) -> Step | None:
    """Return what an undo had to wait for: the step that ended last before it began."""
    ended = [(step.end, step) for step in others if step.end and step.end <= undo.start]
    return max(ended, key=lambda each: each[0])[1] if ended else None


def _backwards(
    last: Step,
    events: Mapping[str, TracedEvent],
    publishers: Mapping[str, Step],
    since: datetime | None,
) -> tuple[list[Step], TracedEvent | None]:
    """Return the chain, last step first, and the event that began it.

    What was before `since` belongs to an earlier period.
    """
    chain = [last]
    event = first = events.get(last.event_id)
    seen: set[str] = set()
    # Causes are claims of whoever wrote the entry: they may form a ring.
    while event is not None and event.id not in seen:
        seen.add(event.id)
        first = event
        publisher = publishers.get(event.id)
        if since and (event.time < since or (publisher and publisher.start < since)):
            break
        if publisher is not None:
            chain.append(publisher)
        event = events.get(publisher.event_id if publisher else event.cause)
    return chain, first

"""When the steps of a recovery could begin, and when it would end were some of them shorter.

Every step is taken to last as long as it did, from the moment it could begin, less what it is told
to save. What follows from it then moves with it: the steps that answered what it published, a join
when the last of its branches comes, an undo when everything before it has ended. When a closed
recovery is opened again is up to whoever did that: nothing before it makes that sooner.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from antiphon.instants import entry_instant
from antiphon.trace.news import NEWS
from antiphon.trace.parts import INBOX, Step, StepOutcome, TracedEvent
from antiphon.trace.path import period_of
from antiphon.trace.periods import reopened

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

_NONE = timedelta()


def ready(step: Step, event: TracedEvent | None) -> datetime:
    """Return when a delivery could begin, as far as its own entry tells.

    Args:
        step: The delivery.
        event: The event it delivers; None when that is unknown, or an order to undo.
    """
    if step.label == INBOX or event is None:
        written = entry_instant(step.entry)
        # An id that was made by hand tells no time.
        return written if written and written <= step.start else step.start
    return min(event.time, step.start)


class Schedule:
    """The steps of one trace, and what each had to wait for."""

    def __init__(self, trace: Trace) -> None:
        self._as_of = trace.as_of
        self._events = {event.id: event for event in trace.events}
        self._publishers = {event_id: step for step in trace.steps for event_id in step.published}
        self._branches = self._joins(trace)
        self._reopened = reopened(trace.periods)
        self._period = {s.id: period_of(s, self._events, self._reopened) for s in trace.steps}
        self.ready: Mapping[str, datetime] = {step.id: self._ready(step) for step in trace.steps}
        """By step: from when on it could run; that of a join is when its last branch came."""

        # Causes come before what they caused; where times are equal, the ledger's order tells.
        self._steps = sorted(trace.steps, key=lambda step: self.ready[step.id])

    def gain(
        self, savings: Mapping[str, timedelta], *, beside: tuple[Step, Step] | None = None
    ) -> timedelta:
        """Return how much sooner the last step would end.

        Args:
            savings: By step, how much shorter it would be; by event, how much sooner it would come.
            beside: Two steps; the second begins when the first does.
        """
        earlier: dict[str, timedelta] = {}  # by step: how much sooner it would end
        began: dict[str, timedelta] = {}
        ends: dict[int, tuple[datetime, datetime]] = {}  # by period: its last end, then and now
        for step in self._steps:
            if beside and step.id == beside[1].id:
                first = beside[0].id
                shift = self.ready[step.id] - self.ready[first] + began.get(first, _NONE)
            elif step.undo_of and self._period[step.id] in ends:
                last, last_then = ends[self._period[step.id]]
                shift = last - last_then
            else:
                shift = self._shift(step, earlier, savings)
            began[step.id] = max(shift, _NONE)
            earlier[step.id] = began[step.id] + savings.get(step.id, _NONE)
            if step.attempts and step.event_type not in NEWS:
                end = step.end or self._as_of
                then = end - earlier[step.id]
                last, last_then = ends.get(self._period[step.id], (end, then))
                ends[self._period[step.id]] = max(last, end), max(last_then, then)
        return sum((max(last - then, _NONE) for last, then in ends.values()), _NONE)

    def _shift(
        self, step: Step, earlier: Mapping[str, timedelta], savings: Mapping[str, timedelta]
    ) -> timedelta:
        """Return how much sooner a step could begin."""
        event, period = self._events.get(step.event_id), self._period[step.id]
        if period and event and event.time < self._reopened[period - 1]:
            return _NONE
        branches = self._branches.get(step.id)
        if branches is None:
            return self._sooner(step.event_id, earlier, savings)
        then = [self._time(name, step) - self._sooner(name, earlier, savings) for name in branches]
        return self.ready[step.id] - max(then)

    def _sooner(
        self, event_id: str, earlier: Mapping[str, timedelta], savings: Mapping[str, timedelta]
    ) -> timedelta:
        """Return how much sooner an event would be published."""
        seen, gained = set[str](), _NONE
        while event_id not in seen:
            seen.add(event_id)
            gained += savings.get(event_id, _NONE)
            publisher = self._publishers.get(event_id)
            if publisher is not None:
                return gained + earlier.get(publisher.id, _NONE)
            event = self._events.get(event_id)
            if event is None:
                return gained
            # Somebody outside answered an earlier event, and takes as long as they took.
            event_id = event.cause
        return gained

    def _ready(self, step: Step) -> datetime:
        own = ready(step, None if step.replay_of else self._events.get(step.event_id))
        latest = max(
            (self._time(name, step) for name in self._branches.get(step.id, ())), default=own
        )
        return min(max(own, latest), step.start)

    def _time(self, event_id: str, step: Step) -> datetime:
        event = self._events.get(event_id)
        return min(event.time, step.start) if event else step.start

    @staticmethod
    def _joins(trace: Trace) -> Mapping[str, tuple[str, ...]]:
        """Find the branches, its own among them, of every step that a join began with."""
        arrived: dict[str, list[Step]] = {}
        for step in trace.steps:
            if step.outcome == StepOutcome.JOINED:
                arrived.setdefault(step.group, []).append(step)
        if not arrived:
            return {}
        return {
            step.id: (
                step.event_id,
                *(b.event_id for b in arrived[step.group] if b.start <= step.start),
            )
            for step in trace.steps
            if step.group in arrived and step.attempts and not step.undo_of and not step.replay_of
        }

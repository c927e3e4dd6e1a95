"""The axis of time: where an instant falls in a row of columns, and the bars drawn on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from antiphon.trace.glyphs import Glyphs
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, TracedEvent
from antiphon.trace.words import spell

_USEFUL = frozenset({AttemptOutcome.COMPLETED, AttemptOutcome.RUNNING})


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of time over a number of columns."""

    began: datetime
    ended: datetime
    columns: int
    glyphs: Glyphs

    def column(self, moment: datetime) -> int:
        """Return the column an instant falls in; instants outside fall on the edge."""
        return min(max(math.floor(self._place(moment)), 0), self.columns - 1)

    def scale(self) -> str:
        """Write what the two ends stand for."""
        return "0" + spell(self.ended - self.began).rjust(self.columns - 1)

    def event(self, event: TracedEvent, since: datetime | None = None) -> str:
        """Draw the instant an event entered its stream, after the time it was put off."""
        return self._until(since or event.time, self.column(event.time)) + self.glyphs.event

    def wait(self, since: datetime, until: datetime) -> str:
        """Draw a time during which nobody works."""
        return self._until(since, self.column(until) + 1)

    def attempt(self, attempt: Attempt, *, ready: datetime, waits_until: datetime | None) -> str:
        """Draw one attempt, after the time it waited.

        Args:
            attempt: The attempt.
            ready: From when on it could have begun.
            waits_until: Draw the wait for the next attempt up to here; None when none is to come.
        """
        end = self.ended if attempt.end is None else attempt.end
        first = self.column(attempt.start)
        after = max(math.ceil(self._place(end)), first + 1)
        mark = self.glyphs.working if attempt.outcome in _USEFUL else self.glyphs.wasted
        bar = mark * (min(after, self.columns) - first)
        if attempt.outcome == AttemptOutcome.RUNNING:
            bar = bar[:-1] + self.glyphs.going_on
        tail = "" if waits_until is None else self._wait(min(after, self.columns), waits_until)
        return self._until(ready, first) + bar + tail

    def idle(self, step: Step, *, ready: datetime, waits_until: datetime | None) -> str:
        """Draw a delivery whose handler never ran: when it was settled, or how long it waits."""
        if waits_until is not None:
            return self._until(ready, self.column(waits_until) + 1)
        settled = self.column(step.end or step.start)
        return self._until(ready, settled) + self.glyphs.settled

    def _until(self, ready: datetime, column: int) -> str:
        """Fill the row up to a column: empty, then waiting from `ready` on."""
        empty = min(self.column(ready), column)
        return " " * empty + self.glyphs.waiting * (column - empty)

    def _wait(self, column: int, until: datetime) -> str:
        return self.glyphs.waiting * (self.column(until) + 1 - column)

    def _place(self, moment: datetime) -> float:
        # A recovery of no length at all is drawn as if it had taken a millisecond.
        length = max(self.ended - self.began, timedelta(milliseconds=1))
        return (moment - self.began) / length * self.columns

"""The axis of time: where an instant falls in a row of columns, and the bars drawn on it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Self

from antiphon.trace.cuts import Cut, cuts
from antiphon.trace.glyphs import Glyphs
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, TracedEvent
from antiphon.trace.words import spell

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

_USEFUL = frozenset({AttemptOutcome.COMPLETED, AttemptOutcome.RUNNING})

_CUT_COLUMNS = 3
"""What is left of a stretch that is cut out; the mark stands in the middle."""


class _Stretch(NamedTuple):
    """A stretch of time that is drawn at one scale."""

    began: float
    """In seconds since the beginning of the axis; `length` is in seconds as well."""

    length: float
    first: float
    """The column it begins in; `width` is in columns as well."""

    width: float

    @classmethod
    def between(cls, since: tuple[timedelta, float], until: tuple[timedelta, float]) -> Self:
        """Make the one between two instants and their columns."""
        (left, first), (right, last) = since, until
        return cls(left.total_seconds(), (right - left).total_seconds(), first, last - first)


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of time over a number of columns, without the parts that are cut out of it."""

    began: datetime
    ended: datetime
    columns: int
    glyphs: Glyphs
    cuts: tuple[Cut, ...] = ()
    _stretches: tuple[_Stretch, ...] = field(init=False)
    _ends: tuple[float, ...] = field(init=False)
    """When each stretch but the last is over, in seconds since the beginning."""

    _marks: tuple[int, ...] = field(init=False)
    """The columns of the cuts."""

    def __post_init__(self) -> None:
        knots = tuple(self._drawn())
        middle = [math.floor(first + _CUT_COLUMNS / 2) for _, first in knots[1:-1:2]]
        drawn = tuple(
            _Stretch.between(*ends) for ends in pairwise(knots) if ends[0][0] < ends[1][0]
        )
        object.__setattr__(self, "_stretches", drawn)
        object.__setattr__(self, "_ends", tuple(it.began + it.length for it in drawn[:-1]))
        object.__setattr__(self, "_marks", tuple(middle))

    @classmethod
    def of(cls, trace: Trace, columns: int, glyphs: Glyphs, *, full_scale: bool = False) -> Axis:
        """Make the axis of a recovery, to its end or until now.

        Args:
            trace: The recovery.
            columns: How many there are.
            glyphs: What to draw with.
            full_scale: Whether to cut nothing out.
        """
        ends = [a.end for step in trace.steps for a in step.attempts if a.end]
        began, ended = trace.opened, max([trace.closed or trace.as_of, *ends])
        cut = () if full_scale else cuts(trace, began, ended)
        roomy = columns > 2 * _CUT_COLUMNS * len(cut)
        return cls(began, ended, columns, glyphs, cut if roomy else ())

    def column(self, moment: datetime) -> int:
        """Return the column an instant falls in; instants outside fall on the edge."""
        column = math.floor(self._place(moment))
        return 0 if column < 0 else min(column, self.columns - 1)

    def scale(self) -> str:
        """Write what the two ends stand for."""
        end = f" {spell(self.ended - self.began)}"
        return self._cut("0".ljust(self.columns - len(end))) + end

    def event(self, event: TracedEvent, since: datetime | None = None) -> str:
        """Draw the instant an event entered its stream, after the time it was put off."""
        before = self._until(since or event.time, self.column(event.time))
        return self._cut(before + self.glyphs.event)

    def wait(self, since: datetime, until: datetime) -> str:
        """Draw a time during which nobody works."""
        return self._cut(self._until(since, self.column(until) + 1))

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
        return self._cut(self._until(ready, first) + bar + tail)

    def idle(self, step: Step, *, ready: datetime, waits_until: datetime | None) -> str:
        """Draw a delivery whose handler never ran: when it was settled, or how long it waits."""
        if waits_until is not None:
            return self.wait(ready, waits_until)
        settled = self.column(step.end or step.start)
        return self._cut(self._until(ready, settled) + self.glyphs.settled)

    def _until(self, ready: datetime, column: int) -> str:
        """Fill the row up to a column: empty, then waiting from `ready` on."""
        empty = min(self.column(ready), column)
        return " " * empty + self.glyphs.waiting * (column - empty)

    def _wait(self, column: int, until: datetime) -> str:
        return self.glyphs.waiting * (self.column(until) + 1 - column)

    def _cut(self, bar: str) -> str:
        """Mark where the axis is cut, as far as the bar reaches, but for what happened there."""
        for column in self._marks:
            if column < len(bar) and bar[column] in {" ", self.glyphs.waiting}:
                bar = bar[:column] + self.glyphs.cut + bar[column + 1 :]
        return bar

    def _drawn(self) -> Iterator[tuple[timedelta, float]]:
        """Tell where the ends of all stretches fall, each a time since the beginning, in columns.

        A recovery of no length at all is drawn as if it had taken a millisecond.
        """
        length = max(self.ended - self.began, timedelta(milliseconds=1))
        shown = length - sum((cut.length for cut in self.cuts), timedelta())
        room = self.columns - _CUT_COLUMNS * len(self.cuts)
        column, reached = 0.0, timedelta()
        yield reached, column
        for cut in self.cuts:
            since, until = cut.since - self.began, cut.until - self.began
            column += (since - reached) / shown * room
            yield since, column
            column += _CUT_COLUMNS
            yield until, column
            reached = until
        yield length, float(self.columns)

    def _place(self, moment: datetime) -> float:
        since = (moment - self.began).total_seconds()
        began, length, first, width = self._stretches[bisect_right(self._ends, since)]
        return first + (since - began) / length * width

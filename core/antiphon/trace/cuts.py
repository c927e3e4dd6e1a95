"""The stretches of a recovery in which nothing happened, so long that they would hide the rest."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

_MUCH = 5 / 6
"""Nothing is cut out unless stretches in which nothing happened take more of the axis than this."""

_WORTH = 1 / 10
"""A single cut takes at least this part of what the larger ones have left."""

_MOST = 5
"""Cuts in one picture: with more of them nobody can tell what is beside what."""


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """A stretch of time that is left out of a picture."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.since


def cuts(trace: Trace, began: datetime, ended: datetime) -> tuple[Cut, ...]:
    """Find what to leave out between two instants, the earliest first.

    Nothing worked in such a stretch, no event came, and nothing was decided: at most somebody
    waited. A recovery in which no handler ever worked is left as it is.
    """
    if not any(step.attempts for step in trace.steps):
        return ()
    whole = left = ended - began
    found = list[Cut]()
    for gap in heapq.nlargest(_MOST, _gaps(trace, began, ended), key=lambda gap: gap.length):
        if gap.length < left * _WORTH or gap.length == left:
            break
        found.append(gap)
        left -= gap.length
    return tuple(sorted(found)) if whole - left > whole * _MUCH else ()


def _gaps(trace: Trace, began: datetime, ended: datetime) -> Iterator[Cut]:
    """Find where nothing happens."""
    reached = began
    for since, until in sorted(_happened(trace, ended)):
        if since > reached:
            yield Cut(reached, min(since, ended))
        reached = max(reached, since, until)  # clocks of workers may put an end before its start
    if ended > reached:
        yield Cut(reached, ended)


def _happened(trace: Trace, ended: datetime) -> Iterator[tuple[datetime, datetime]]:
    for event in trace.events:
        yield event.time, event.time
    for step in trace.steps:
        for attempt in step.attempts:
            yield attempt.start, attempt.end or ended
        for hold in step.holds:
            yield hold.since, hold.since
        if step.end:
            yield step.end, step.end

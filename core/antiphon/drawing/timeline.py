"""The time axis of a drawing: long times in which nothing happened are cut short, and say so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from antiphon.trace.cuts import Cut
from antiphon.trace.words import spell

_BREAK_WIDTH = 30.0
_TICK_ROOM = 84.0
"""How far apart ticks are at least, in pixels: their labels stand side by side."""

_MILLISECONDS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAY = timedelta(days=1)
_STEPS = (
    *(timedelta(milliseconds=ms) for ms in _MILLISECONDS),
    *(timedelta(seconds=s) for s in _SECONDS),
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the axis, with one scale."""

    since: datetime
    until: datetime
    left: float
    right: float
    cut: bool
    """Whether it is a gap that was cut short."""

    def x(self, moment: datetime) -> float:
        """Return where an instant is; one outside falls on the edge."""
        length = self.until - self.since
        share = (moment - self.since) / length if length else 0.0
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis."""

    x: float
    label: str
    """Since the beginning, as in `+12.5 s`."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """The way from instants to pixels."""

    stretches: tuple[Stretch, ...]

    @classmethod
    def of(
        cls, began: datetime, ended: datetime, cuts: Sequence[Cut], left: float, right: float
    ) -> Timeline:
        """Lay out the time from `began` to `ended` between two places, in pixels.

        Args:
            began: The left end.
            ended: The right end; taken to be a millisecond later when it is not after `began`.
            cuts: What to cut short between them, the earliest first, and not all of it.
            left: Where it begins.
            right: Where it ends.
        """
        ended = max(ended, began + timedelta(milliseconds=1))
        drawn = (ended - began) - sum((cut.length for cut in cuts), timedelta())
        scale = (right - left - _BREAK_WIDTH * len(cuts)) / drawn.total_seconds()
        return cls(tuple(_lay(began, ended, cuts, left, scale)))

    @property
    def began(self) -> datetime:
        """The left end."""
        return self.stretches[0].since

    @property
    def right(self) -> float:
        """The right end, in pixels."""
        return self.stretches[-1].right

    @property
    def cuts(self) -> tuple[Stretch, ...]:
        """The gaps that were cut short."""
        return tuple(stretch for stretch in self.stretches if stretch.cut)

    def x(self, moment: datetime) -> float:
        """Return where an instant is, in pixels; one outside falls on the edge."""
        after = bisect_right(self.stretches, moment, key=lambda stretch: stretch.since)
        return self.stretches[max(after - 1, 0)].x(moment)

    def ticks(self) -> Iterator[Tick]:
        """Mark round lengths of time since the beginning, none within a gap that is cut short."""
        step, last = self._step(), -_TICK_ROOM
        for stretch in self.stretches:
            if stretch.cut:
                continue
            number = -((self.began - stretch.since) // step)
            while (moment := self.began + number * step) <= stretch.until:
                x = stretch.x(moment)
                if x - last >= _TICK_ROOM:
                    yield Tick(x, f"+{spell(moment - self.began)}" if number else "0", moment)
                    last = x
                number += 1

    def _step(self) -> timedelta:
        """Return the shortest round time that takes more room than a label."""
        whole = [stretch for stretch in self.stretches if not stretch.cut]
        length = sum((stretch.until - stretch.since for stretch in whole), timedelta())
        width = sum(stretch.right - stretch.left for stretch in whole)
        least = length * (_TICK_ROOM / width)
        days = -(-least // _DAY) * _DAY
        return next((step for step in _STEPS if step >= least), days)


def _lay(
    began: datetime, ended: datetime, cuts: Iterable[Cut], left: float, scale: float
) -> Iterator[Stretch]:
    """Put stretches side by side; `scale` is in pixels for each second."""
    at, x = began, left
    for cut in [*cuts, Cut(ended, ended)]:
        since, until = cut.since, cut.until
        if since > at:
            right = x + (since - at).total_seconds() * scale
            yield Stretch(at, since, x, right, cut=False)
            x = right
        if until > since:
            yield Stretch(since, until, x, x + _BREAK_WIDTH, cut=True)
            x += _BREAK_WIDTH
        at = until

"""Durations and names as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antiphon.trace.parts import Step

_LONG_IN_SECONDS = timedelta(seconds=99.95)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

_REMEMBERED = 4096
"""Words that are kept: a long recovery says the same few thousands of times."""


@lru_cache(maxsize=_REMEMBERED)
def spell(length: timedelta) -> str:
    """Write a duration in at most seven characters up to 99 days: `340 ms`, `12.3 s`, `2m 05s`.

    Three figures are enough to compare by; whoever needs more takes the trace as JSON.
    """
    if length < timedelta(milliseconds=999.5):
        return f"{max(length, timedelta()) / timedelta(milliseconds=1):.0f} ms"
    if length < _LONG_IN_SECONDS:
        return f"{length.total_seconds():.1f} s"
    whole = timedelta(seconds=round(length.total_seconds()))
    if whole < _HOUR:
        minutes, rest = divmod(whole, timedelta(minutes=1))
        return f"{minutes}m {rest.seconds:02}s"
    if whole < _DAY:
        hours, rest = divmod(whole, _HOUR)
        return f"{hours}h {rest // timedelta(minutes=1):02}m"
    days, rest = divmod(whole, _DAY)
    return f"{days}d {rest // _HOUR:02}h"


def clock(moment: datetime, as_of: datetime) -> str:
    """Write an instant (UTC) as the time of day, with the date unless it is that of `as_of`."""
    return f"{moment:%H:%M:%S}" if moment.date() == as_of.date() else f"{moment:%Y-%m-%d %H:%M:%S}"


@lru_cache(maxsize=_REMEMBERED)
def plain(text: str) -> str:
    """Make text from outside safe for a terminal: one line, no control characters.

    Subjects and errors come from whoever wrote them; an escape sequence in one would be obeyed.
    """
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in line)


def named(step: Step) -> str:
    """Name a step and what it reacts to, as the subject of a sentence."""
    undo = "the undo of " if step.undo_of else ""
    about = f" about {step.subject}" if step.subject else ""
    return f"{undo}{step.group} on {step.event_type}{about}"


def percent(fraction: float) -> str:
    """Write a fraction from 0 to 1 as a percentage."""
    return f"{fraction:.0%}"

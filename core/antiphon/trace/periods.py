"""The periods of a recovery: it is open, is closed, and may be opened again.

What comes back to a closed recovery, such as a dead letter that is delivered again, begins another
period. Between two of them nothing was owed, so nobody waited.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from antiphon.instants import iso
from antiphon.ledger import Entry, Kind
from antiphon.trace import flow_document
from antiphon.trace.flow import Stall
from antiphon.trace.words import clock

Stretch = tuple[datetime, datetime]
"""From when to when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopening:
    """What opened a closed recovery again."""

    event_id: str
    event_type: str
    dead: str
    """The dead letter that was delivered again; empty when a new event came."""

    group: str
    """To whom that was delivered; empty for a new event."""

    by: str
    """Who delivered it again; empty for a new event, and when nothing tells."""

    reason: str

    def __str__(self) -> str:
        if not self.dead:
            return f"by {self.event_type or f'the event {self.event_id}'}"
        group = f" of {self.group}" if self.group else ""
        who = f", by {self.by}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        return f"by the replay of dead letter {self.dead}{group}{who}{why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A time in which a recovery was open."""

    opened: datetime | None
    """None when only its closing is known, so that it was open at some time before."""

    closed: datetime | None
    """None while it goes on."""

    verdict: str | None
    reopening: Reopening | None
    """None for the first period, and when nothing tells."""

    stall: Stall | None
    """What it waited for when its deadline passed; None unless that was seen."""

    def to_dict(self) -> dict[str, Any]:
        """Describe it for JSON."""
        it = self.reopening
        return {
            "opened": iso(self.opened),
            "closed": iso(self.closed),
            "verdict": self.verdict,
            "reopening": it
            and {
                "event": it.event_id or None,
                "event_type": it.event_type or None,
                "dead_letter": it.dead or None,
                "group": it.group or None,
                "by": it.by or None,
                "reason": it.reason or None,
            },
            "stall": flow_document.stall(self.stall),
        }


def periods(
    turns: Sequence[Entry], stalls: Sequence[Stall], opened: datetime
) -> tuple[Period, ...]:
    """Tell when a recovery was open.

    Args:
        turns: The rows that closed it and opened it again, in order.
        stalls: When it was found past its deadline, in order.
        opened: When it was opened first.

    Returns:
        At least one; only the last may go on.
    """
    found = [_period(opened, None)]
    for row in turns:
        if row.kind == Kind.CLOSED:
            if found[-1].closed is not None:
                found.append(_period(None, None))
            verdict = row.text("verdict") or None
            found[-1] = replace(found[-1], closed=row.at, verdict=verdict)
        elif found[-1].closed is not None:
            found.append(_period(row.at, _reopening(row)))
    for stall in stalls:
        place = next((at for at, it in enumerate(found) if _over(it, stall.at)), len(found) - 1)
        found[place] = replace(found[place], stall=stall)
    return tuple(found)


def closed_between(them: Sequence[Period]) -> tuple[Stretch, ...]:
    """Tell when it was closed, before it was opened again at a known time."""
    return tuple(
        (one.closed, other.opened)
        for one, other in pairwise(them)
        if one.closed and other.opened and one.closed < other.opened
    )


def reopened(them: Sequence[Period]) -> tuple[datetime, ...]:
    """Tell when it was opened again, as far as that is known."""
    return tuple(it.opened for it in them[1:] if it.opened)


def course(them: Sequence[Period]) -> Iterator[tuple[datetime, str]]:
    """Say when it was closed and opened again, without the closing of the last period."""
    for number, it in enumerate(them):
        if number and it.opened:
            by = f" {it.reopening}" if it.reopening else ""
            yield it.opened, f"reopened{by}"
        if it.closed and number < len(them) - 1:
            yield it.closed, f"closed as {it.verdict or 'over, and nothing tells how'}"


def told(it: Period, as_of: datetime) -> str:
    """Say in one phrase how a period began, unless it is the first, and how it ended."""
    parts = []
    if it.reopening:
        at = f" at {clock(it.opened, as_of)}" if it.opened else ""
        parts.append(f"reopened{at} {it.reopening}")
    if it.closed:
        how = it.verdict or "over, and nothing tells how"
        parts.append(f"closed as {how} at {clock(it.closed, as_of)}")
    return "; ".join(parts)


def _over(it: Period, moment: datetime) -> bool:
    return it.closed is not None and moment <= it.closed


def _period(opened: datetime | None, reopening: Reopening | None) -> Period:
    return Period(opened=opened, closed=None, verdict=None, reopening=reopening, stall=None)


def _reopening(row: Entry) -> Reopening:
    return Reopening(
        event_id=row.text("event"),
        event_type=row.text("type"),
        dead=row.text("dead"),
        group=row.text("group"),
        by=row.text("by"),
        reason=row.text("reason"),
    )

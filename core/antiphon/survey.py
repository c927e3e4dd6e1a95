"""A survey: the few numbers that say how a cell is, at one instant, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits for one group on one stream."""

    group: str
    stream: str
    """The event type, or ``inbox``."""

    lag: int | None
    """Entries it has not read; None when the server cannot count them."""

    pending: int
    """Entries it has read and not settled."""

    oldest_pending: timedelta
    """How long ago the oldest of these was written; zero when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """One breaker."""

    name: str
    state: str
    """``closed``, ``open`` or ``half-open``."""

    away: timedelta
    """For how long it has not been closed; zero while it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much of what a guard allows within its window is used up."""

    guard: str
    """``relapse``, ``budget`` or ``rate``."""

    name: str
    used: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """How a cell is. What is capped, says so."""

    taken: float
    """When, in Unix seconds by the server's clock."""

    queues: tuple[Queue, ...] = ()
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    """How many are kept, by group; those beyond what is looked at are of the group ``other``."""

    open: int = 0
    """Open recoveries."""

    stalled: int = 0
    """How many of the oldest open recoveries are past their deadline."""

    oldest_open: timedelta = timedelta()
    """How long the oldest has been open; zero without one."""

    circuits: tuple[Circuit, ...] = ()
    uses: tuple[Use, ...] = ()
    unlisted: int = 0
    """Breakers and other guards that are not among these two: too many."""

    unacknowledged: Mapping[int, int] = field(default_factory=dict)
    """Escalations that nobody has acknowledged, by tier."""

    oldest_unacknowledged: timedelta = timedelta()
    """How long ago people were told of the one that waits longest; zero without one."""

    approvals: int = 0
    """Requests for approval that wait for an answer."""

    pauses: int = 0

"""The census of a cell: every group and every stream, as the server sees them at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from antiphon.duration import milliseconds
from antiphon.instants import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """One consumer of a group, on one stream."""

    name: str
    idle: timedelta
    """Since it last asked for anything; a server before 7.2 does not count asking in vain."""

    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One group on one stream."""

    label: str
    """The event type of the stream, or the inbox."""

    lag: int | None
    """Entries it has not read; None when there are some and the server cannot count them."""

    pending: int
    """Entries it has read and not settled: running, waiting for an instant, or stuck."""

    oldest_pending: datetime | None
    """When the oldest of these was written."""

    stuck: int
    """How many of these nobody has touched for several leases, though they wait for no instant."""

    consumers: tuple[Consumer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCensus:
    """One registered group."""

    name: str
    service: str
    location: str
    """Where its handler's code was when it was registered: file and line."""

    subscriptions: tuple[tuple[str, str | None], ...]
    """Event type and subject; None for any subject."""

    places: tuple[Place, ...]
    missing: tuple[str, ...]
    """Streams it should read and on which the server has no such group."""

    stale: tuple[str, ...]
    """Streams on which it is still a group though its handler does not react to them any more."""

    waiting: int
    """Deliveries that wait for an instant: the next attempt, or another delivery to end."""

    overdue: int
    """How many of these should have begun several leases ago."""

    away: timedelta | None
    """For how long no worker has answered for it; negative while one does; None when none ever did.
    """

    live: bool
    """Whether a worker runs it now."""

    @property
    def lag(self) -> int | None:
        """Entries it has not read; None when the server cannot count them."""
        counts = [place.lag for place in self.places]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def pending(self) -> int:
        """Entries it has read and not settled."""
        return sum(place.pending for place in self.places)

    @property
    def stuck(self) -> int:
        """Deliveries that should be under way and are not."""
        return self.overdue + sum(place.stuck for place in self.places)

    @property
    def oldest_pending(self) -> datetime | None:
        """When the oldest entry that is read and not settled was written."""
        found = [place.oldest_pending for place in self.places if place.oldest_pending]
        return min(found, default=None)

    @property
    def idle(self) -> bool:
        """Whether nothing waits for it."""
        return self.lag == 0 and self.pending == 0

    def to_dict(self) -> dict[str, Any]:
        """Return the group for JSON: stable keys, ISO instants, durations in milliseconds."""
        return {
            "group": self.name,
            "service": self.service,
            "location": self.location,
            "subscriptions": [
                {"type": kind, "subject": subject} for kind, subject in self.subscriptions
            ],
            "live": self.live,
            "away_ms": None if self.away is None else max(0, milliseconds(self.away)),
            "lag": self.lag,
            "pending": self.pending,
            "oldest_pending": iso(self.oldest_pending),
            "waiting": self.waiting,
            "stuck": self.stuck,
            "missing": list(self.missing),
            "stale": list(self.stale),
            "consumers": [
                {
                    "stream": place.label,
                    "name": consumer.name,
                    "idle_ms": milliseconds(consumer.idle),
                    "pending": consumer.pending,
                }
                for place in self.places
                for consumer in place.consumers
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCensus:
    """One stream of events, or one inbox."""

    label: str
    key: str
    length: int
    last_id: str
    ahead: timedelta
    """How far its last id lies in the server's future; zero or less is as it should be."""

    full: bool
    """Whether its last id is the largest there is, so that it takes no entry any more."""

    strangers: tuple[str, ...]
    """Consumer groups on it that no handler of the cell registered."""

    def to_dict(self) -> dict[str, Any]:
        """Return the stream for JSON: stable keys, durations in milliseconds."""
        return {
            "stream": self.key,
            "length": self.length,
            "last_id": self.last_id,
            "ahead_ms": max(0, milliseconds(self.ahead)),
            "strangers": list(self.strangers),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Every group and every stream of a cell that has a reader or a known type."""

    taken: datetime
    """By the server's clock."""

    groups: tuple[GroupCensus, ...]
    streams: tuple[StreamCensus, ...]

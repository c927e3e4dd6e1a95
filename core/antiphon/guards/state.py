"""What the guards of a cell know at one instant, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from antiphon.duration import milliseconds
from antiphon.guards.scope import Scope
from antiphon.instants import iso

RELAPSE_GUARD, STORM_BRAKE = "relapse guard", "storm brake"
"""Who paused, when it was no person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A part of the cell in which nothing begins until somebody resumes it."""

    scope: Scope
    by: str
    """A person, or the guard that paused by itself."""

    since: datetime | None
    """None when whoever wrote it did not say."""

    reason: str

    @property
    def by_guard(self) -> bool:
        """Whether a guard gave up, rather than a person deciding."""
        return self.by in {RELAPSE_GUARD, STORM_BRAKE}

    def to_dict(self) -> dict[str, Any]:
        """Return the pause for JSON."""
        return {
            "scope": self.scope.field,
            "by": self.by,
            "since": iso(self.since),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A count within a window that slides: a budget, a rate or the relapses of a subject."""

    kind: str
    name: str
    limit: int
    window: timedelta
    used: int
    opens: datetime | None
    """When there is room again; None while there is."""

    waiting: int = 0
    """Deliveries that wait for their turn."""

    @property
    def full(self) -> bool:
        """Whether the next one would be too many."""
        return self.used >= self.limit

    def to_dict(self) -> dict[str, Any]:
        """Return the count for JSON."""
        return {
            "kind": self.kind,
            "name": self.name,
            "limit": self.limit,
            "window_ms": milliseconds(self.window),
            "used": self.used,
            "opens": iso(self.opens),
            "waiting": self.waiting,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """A circuit breaker, as all replicas see it."""

    name: str
    state: str
    """``closed``, ``open`` or ``half-open``."""

    failures: int
    fail_max: int
    reset_timeout: timedelta
    opened: datetime | None
    until: datetime | None
    """While it is open: when the next delivery may probe."""

    probe: str
    """The delivery that probes while it is half-open; empty when none does."""

    def to_dict(self) -> dict[str, Any]:
        """Return the breaker for JSON."""
        return {
            "name": self.name,
            "state": self.state,
            "failures": self.failures,
            "fail_max": self.fail_max,
            "reset_timeout_ms": milliseconds(self.reset_timeout),
            "opened": iso(self.opened),
            "until": iso(self.until),
            "probe": self.probe or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that one delivery at a time may touch."""

    name: str
    holder: str
    """The delivery that has it, as ``type|entry|group``; empty when it is free."""

    token: int | None
    """The holder's fencing token."""

    until: datetime | None
    """When the holder's lease ends, unless it renews it."""

    waiting: int

    def to_dict(self) -> dict[str, Any]:
        """Return the resource for JSON."""
        return {
            "name": self.name,
            "holder": self.holder or None,
            "token": self.token,
            "until": iso(self.until),
            "waiting": self.waiting,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How much one guard holds."""

    guard: str
    name: str
    count: int
    since: datetime | None
    """Since when it has held the first of them."""

    def to_dict(self) -> dict[str, Any]:
        """Return the count for JSON."""
        return {
            "guard": self.guard,
            "name": self.name,
            "count": self.count,
            "since": iso(self.since),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """A recovery that needs a person, and that nobody has acknowledged."""

    correlation_id: str
    subject: str
    reason: str
    """Why, in words; empty when its record is gone."""

    tier: int
    since: datetime | None
    next: datetime | None
    """When the next tier is told; None after the last."""

    def to_dict(self) -> dict[str, Any]:
        """Return the escalation for JSON."""
        return {
            "correlation_id": self.correlation_id,
            "subject": self.subject,
            "reason": self.reason,
            "tier": self.tier,
            "since": iso(self.since),
            "next": iso(self.next),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardState:
    """Everything the guards of a cell know."""

    taken: datetime
    """By the server's clock."""

    pauses: tuple[Pause, ...] = ()
    breakers: tuple[BreakerState, ...] = ()
    windows: tuple[Window, ...] = ()
    resources: tuple[Resource, ...] = ()
    held: tuple[Held, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    """Those whose next tier is told first."""

    unacknowledged: int = 0
    """How many escalations there are in all."""

    guards_left_out: int = 0
    """Guards that were not read, because they are too many."""

    pauses_left_out: int = 0
    held_whole: bool = True
    """Whether everything that is held was counted."""

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to tell."""
        return not (
            self.pauses
            or self.breakers
            or self.windows
            or self.resources
            or self.held
            or self.unacknowledged
        )

    def holds(self, guard: str, name: str) -> int:
        """How many deliveries a guard holds under a name."""
        return sum(one.count for one in self.held if (one.guard, one.name) == (guard, name))

    def held_in(self, scope: Scope) -> int:
        """How many deliveries a pause holds."""
        return sum(one.count for one in self.held if holds(scope, one.guard, one.name))

    def to_dict(self) -> dict[str, Any]:
        """Return the state for JSON: stable keys, ISO instants, durations in milliseconds."""
        return {
            "taken": iso(self.taken),
            "pauses": [
                {**pause.to_dict(), "held": self.held_in(pause.scope)} for pause in self.pauses
            ],
            "breakers": [breaker.to_dict() for breaker in self.breakers],
            "windows": [window.to_dict() for window in self.windows],
            "resources": [resource.to_dict() for resource in self.resources],
            "held": [held.to_dict() for held in self.held],
            "escalations": [escalation.to_dict() for escalation in self.escalations],
            "unacknowledged": self.unacknowledged,
        }


def holds(scope: Scope, guard: str, name: str) -> bool:
    """Whether what a guard holds under a name is what this pause holds."""
    return guard == scope.guard and (guard == "storm" or name == scope.field)

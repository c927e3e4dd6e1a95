"""Failures: something broke, and a recovery may begin."""

from __future__ import annotations

from antiphon_events.event import Event


class Failure(Event):
    """Base of all failures."""

    reason: str = ""
    """What was observed, for a person to read."""


class ServiceFailed(Failure):
    """A service stopped working."""

    type = "service.failed"


class ServiceDegraded(Failure):
    """A service works, but slowly or in part."""

    type = "service.degraded"


class ServiceUnhealthy(Failure):
    """A service runs, but its health probe says no."""

    type = "service.unhealthy"


class DatabaseFailed(Failure):
    """A database is lost, corrupt or unreachable."""

    type = "database.failed"


class CacheLost(Failure):
    """A cache lost its content."""

    type = "cache.lost"


class DependencyUnavailable(Failure):
    """A service cannot reach something it depends on."""

    type = "dependency.unavailable"

    dependency: str = ""
    """What cannot be reached; the subject is the service that needs it."""

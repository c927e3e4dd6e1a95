"""Recoveries: a step of the recovery was completed, and others may react."""

from __future__ import annotations

from antiphon_events.event import Event


class ServiceRestarted(Event):
    """A service was started again."""

    type = "service.restarted"

    pid: int | None = None
    """The new process, on the host that runs it."""

    url: str = ""
    """Where the service answers now."""


class ServiceRecovered(Event):
    """A service works again, and a probe has seen it."""

    type = "service.recovered"

    downtime_ms: int | None = None
    """How long it did not work, in milliseconds."""


class DatabaseRestored(Event):
    """A database was restored from a backup and checked."""

    type = "database.restored"

    backup: str = ""
    """The backup it was restored from."""

    rows: int | None = None
    """How many rows it holds now."""

    sha256: str = ""
    """The digest of the restored content, in hexadecimal."""


class CacheWarmed(Event):
    """A cache was filled again."""

    type = "cache.warmed"

    entries: int | None = None
    """How many entries it holds now."""

"""Everything the doctor looks at, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from antiphon.census import Census
from antiphon.guards.state import GuardState
from antiphon.instants import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server, as it describes itself."""

    url: str
    """Without name and password."""

    product: str
    product_version: str
    speaks: tuple[int, ...]
    """The version of the Redis protocol and commands."""

    role: str
    eviction: str
    """Its maxmemory-policy."""

    used_memory: int
    """In bytes."""

    maxmemory: int
    """In bytes; 0 without a limit."""

    appendonly: bool
    appendfsync: str
    """Empty when the server does not let us see it."""

    snapshots: bool | None
    """Whether it writes snapshots by itself; None when the server does not let us see it."""

    failing: tuple[str, ...]
    """Which of its last writes to disk failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecoveries:
    """The recoveries that are not over."""

    count: int
    oldest: str = ""
    """The correlation id of the one that was opened first; empty when there is none."""

    opened: datetime | None = None
    """When that one was opened."""

    about: str = ""
    """What opened it: the type of the event and its subject."""

    waits_for: tuple[str, ...] = ()
    """What it waits for, in words."""

    groups: frozenset[str] = frozenset()
    """The groups it waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One cell and its server at one instant."""

    cell: str
    settings: Mapping[str, Any]
    """The settings in force, without those that may hold a secret."""

    server: Server
    census: Census
    dead_letters: int
    recoveries: OpenRecoveries
    guards: GuardState

    def to_dict(self) -> dict[str, Any]:
        """Return the facts for JSON: stable keys, ISO instants, durations in milliseconds."""
        server, recoveries = asdict(self.server), self.recoveries
        return {
            "cell": self.cell,
            "taken": iso(self.census.taken),
            "server": {**server, "speaks": ".".join(map(str, self.server.speaks))},
            "groups": [group.to_dict() for group in self.census.groups],
            "streams": [stream.to_dict() for stream in self.census.streams],
            "dead_letters": self.dead_letters,
            "recoveries": {
                "open": recoveries.count,
                "oldest": recoveries.oldest or None,
                "opened": iso(recoveries.opened),
                "about": recoveries.about,
                "waits_for": list(recoveries.waits_for),
            },
            "guards": self.guards.to_dict(),
            "settings": dict(self.settings),
        }

"""The finding: something in a choreography that will go wrong, or may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What is looked for."""

    CYCLE = "cycle"
    """Handlers can trigger one another in a circle, and none of them says how often."""
    JOIN_NEVER = "join-never"
    """A join waits for events that no handler publishes."""
    NEVER_TRIGGERED = "never-triggered"
    """A handler reacts to nothing that is ever published."""
    UNHANDLED_FAILURE = "unhandled-failure"
    """A handler publishes a failure, and no handler reacts to it."""
    ENDLESS_APPROVAL = "endless-approval"
    """A step waits for people who may never answer, and nothing follows when they do not."""
    UNHEARD_TIMEOUT = "unheard-timeout"
    """A join stops waiting, and no handler reacts to that."""
    GOAL_MISSED = "goal-missed"
    """A way from a failure ends without the event that a service declared to be its goal."""
    UNBOUNDED_RETRY = "unbounded-retry"
    """A handler is retried, and an attempt that hangs never ends."""
    SAME_NAME = "same-name"
    """Two handlers have one consumer group."""


class Severity(StrEnum):
    """How sure it is."""

    PROBLEM = "problem"
    """It is as it says, by all that the signatures tell."""
    WARNING = "warning"
    """It depends on something that signatures do not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found, and where."""

    code: Code
    severity: Severity
    message: str
    remedy: str
    group: str
    """The handler it is about."""
    file: str
    line: int
    accepted: str | None = None
    """The reason for which it was accepted."""

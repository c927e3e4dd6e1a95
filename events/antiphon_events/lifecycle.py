"""The lifecycle: what became of a recovery as a whole. The subject is the recovery's own."""

from __future__ import annotations

from pydantic import Field

from antiphon_events.event import Event


class Lifecycle(Event):
    """Base of the events that Antiphon itself publishes about a recovery."""


class _Closed(Lifecycle):
    """Base of the verdicts on a recovery that has no work left."""

    opened_ms: int = 0
    """When it was opened, in Unix milliseconds of the server's clock."""

    closed_ms: int = 0
    """When its last work ended, in Unix milliseconds of the server's clock."""

    done: int = 0
    """How many deliveries completed."""

    dead: int = 0
    """How many deliveries ended as dead letters."""

    unanswered: int = 0
    """How many failures no handler reacts to."""

    suppressed: int = 0
    """How many deliveries a guard kept from running for good."""

    reasons: list[str] = Field(default_factory=list)
    """The handlers that died or were suppressed, and the failures nobody answered."""

    completed: list[str] = Field(default_factory=list)
    """The handlers that completed something which was not undone; empty when nothing went wrong."""

    undone: list[str] = Field(default_factory=list)
    """The handlers whose completed steps were undone."""

    left: str = ""
    """What the recovery leaves inconsistent, for a person to read; empty when nothing."""


class RecoveryCompleted(_Closed):
    """A recovery ended, and every step of it was completed."""

    type = "recovery.completed"


class RecoveryPartial(_Closed):
    """A recovery ended; some steps were completed, others died or went unanswered."""

    type = "recovery.partial"


class RecoveryFailed(_Closed):
    """A recovery ended, and nothing was completed."""

    type = "recovery.failed"


class RecoveryHalted(_Closed):
    """A recovery went beyond its limits, was stopped, and has ended."""

    type = "recovery.halted"

    reason: str = ""
    """The limit, and the path of causes that shows the loop, for a person to read."""


class RecoveryCancelled(_Closed):
    """A recovery was cancelled by a person, and has ended."""

    type = "recovery.cancelled"

    reason: str = ""
    """Who cancelled it and why, for a person to read."""


class _Alarm(Lifecycle):
    """Base of the events that say why a recovery does not go on by itself."""

    reason: str = ""
    """Why, for a person to read."""


class RecoveryEscalated(_Alarm):
    """A recovery needs a person."""

    type = "recovery.escalated"

    guard: str = ""
    """The guard that decided."""

    name: str = ""
    """What the guard counted or held, such as ``restart:orders-api``."""

    limit: int = 0
    """The guard's limit."""

    value: int = 0
    """What was counted when it decided."""

    tier: int = 1
    """How far up this has gone: 1 at first, more each time nobody acknowledged it in time."""

    tried: list[str] = Field(default_factory=list)
    """What was tried, the earliest first."""

    trace: str = ""
    """The command that shows the whole story."""


class RecoveryStalled(_Alarm):
    """A recovery passed its deadline with work left."""

    type = "recovery.stalled"

    deadline_ms: int = 0
    """When it should have been over, in Unix milliseconds of the server's clock."""

    outstanding: list[str] = Field(default_factory=list)
    """What it waits for: deliveries as ``type|entry|group``, and other work by its name."""

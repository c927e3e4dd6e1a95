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

    reasons: list[str] = Field(default_factory=list)
    """The handlers that died and the failures nobody answered."""


class RecoveryCompleted(_Closed):
    """A recovery ended, and every step of it was completed."""

    type = "recovery.completed"


class RecoveryPartial(_Closed):
    """A recovery ended; some steps were completed, others died or went unanswered."""

    type = "recovery.partial"


class RecoveryFailed(_Closed):
    """A recovery ended, and nothing was completed."""

    type = "recovery.failed"


class _Interrupted(Lifecycle):
    """Base of the events that say why a recovery does not go on by itself."""

    reason: str = ""
    """Why, for a person to read."""


class RecoveryHalted(_Interrupted):
    """A recovery went beyond its limits and was stopped."""

    type = "recovery.halted"


class RecoveryEscalated(_Interrupted):
    """A recovery needs a person."""

    type = "recovery.escalated"


class RecoveryStalled(_Interrupted):
    """A recovery passed its deadline with work left."""

    type = "recovery.stalled"

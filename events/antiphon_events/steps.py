"""Steps: what became of a part of a recovery, as events that handlers of the same recovery hear."""

from __future__ import annotations

from pydantic import Field

from antiphon_events.event import Event


class StepFailed(Event):
    """A handler gave a step up; the subject is that of the event it reacted to."""

    type = "step.failed"

    step: str = ""
    """The handler, as ``service.handler``."""

    event_type: str = ""
    """What it reacted to."""

    event_id: str = ""
    """The very event it reacted to."""

    attempts: int = 0
    """How often it was tried."""

    error: str = ""
    """What went wrong last."""


class JoinTimedOut(Event):
    """A join did not get all it waited for in time; the subject is the recovery's own."""

    type = "join.timed_out"

    step: str = ""
    """The handler that waited, as ``service.handler``."""

    missing: list[str] = Field(default_factory=list)
    """The branches that did not come, as ``type@subject``; ``*`` stands for any subject."""

    arrived: list[str] = Field(default_factory=list)
    """The branches that did."""

    needed: int = 0
    """How many branches the join needs."""


class ChildClosed(Event):
    """A recovery that this one had started is over; the subject is the child's."""

    type = "child.closed"

    child: str = ""
    """The child's correlation id."""

    event_type: str = ""
    """The type of the event that opened the child."""

    verdict: str = ""
    """``completed``, ``partial``, ``failed``, ``halted`` or ``cancelled``."""

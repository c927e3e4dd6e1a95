"""Approvals: a step waits for people to agree to it. The subject is that of the step."""

from __future__ import annotations

from pydantic import Field

from antiphon_events.lifecycle import Lifecycle


class _Approval(Lifecycle):
    """Base of what happens to a request for approval."""

    approval: str = ""
    """The id to answer with: ``antiphon approve ID``."""

    step: str = ""
    """The handler that waits, as ``service.handler``."""

    event_type: str = ""
    """What the step reacts to."""

    event_id: str = ""
    """The very event it reacts to; the approval holds for no other."""


class ApprovalRequested(_Approval):
    """A step may not run before people agree."""

    type = "approval.requested"

    approvers: list[str] = Field(default_factory=list)
    """Who may answer; empty: anybody but the requester."""

    quorum: int = 1
    """How many of them must agree."""

    requester: str = ""
    """Who asked for the recovery, and may not answer."""

    expires_ms: int = 0
    """When waiting ends, in Unix milliseconds of the server's clock; 0: never."""

    otherwise: str = ""
    """What follows then: ``escalate``, ``deny`` or ``proceed``."""

    tier: int = 1
    """How far up this has gone: 1 at first, more each time nobody answered in time."""


class _Answered(_Approval):
    """Base of the answers of people."""

    by: str = ""
    """Who answered last."""

    reason: str = ""
    """Why, in their words."""


class ApprovalGranted(_Answered):
    """Enough people agreed: the step runs."""

    type = "approval.granted"


class ApprovalDenied(_Answered):
    """Somebody refused: the step does not run."""

    type = "approval.denied"


class ApprovalExpired(_Approval):
    """Nobody answered in time."""

    type = "approval.expired"

    otherwise: str = ""
    """What follows: ``escalate``, ``deny`` or ``proceed``."""

    tier: int = 1
    """Which tier did not answer."""

"""The trace of a recovery: what happened, what still runs, what it waits for."""

from antiphon.trace.approvals import Answer, Approval, Expiry
from antiphon.trace.decisions import (
    Acknowledgement,
    Discard,
    Escalation,
    Guard,
    Halt,
    Hold,
    Relapse,
    Suppression,
)
from antiphon.trace.flow import (
    Cancellation,
    Child,
    JoinTimeout,
    Rollback,
    Scheduled,
    Stall,
    Win,
)
from antiphon.trace.model import Trace
from antiphon.trace.parts import (
    Attempt,
    AttemptOutcome,
    CriticalPath,
    KeyWait,
    Outstanding,
    Progress,
    Step,
    StepOutcome,
    TracedEvent,
)

__all__ = [
    "Acknowledgement",
    "Answer",
    "Approval",
    "Attempt",
    "AttemptOutcome",
    "Cancellation",
    "Child",
    "CriticalPath",
    "Discard",
    "Escalation",
    "Expiry",
    "Guard",
    "Halt",
    "Hold",
    "JoinTimeout",
    "KeyWait",
    "Outstanding",
    "Progress",
    "Relapse",
    "Rollback",
    "Scheduled",
    "Stall",
    "Step",
    "StepOutcome",
    "Suppression",
    "Trace",
    "TracedEvent",
    "Win",
]

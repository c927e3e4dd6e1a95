"""The trace of a recovery: what happened, what still runs, what it waits for."""

from antiphon.trace.decisions import (
    Acknowledgement,
    Escalation,
    Guard,
    Halt,
    Hold,
    Relapse,
    Suppression,
)
from antiphon.trace.model import Trace
from antiphon.trace.parts import (
    Attempt,
    AttemptOutcome,
    CriticalPath,
    Outstanding,
    Progress,
    Step,
    StepOutcome,
    TracedEvent,
)

__all__ = [
    "Acknowledgement",
    "Attempt",
    "AttemptOutcome",
    "CriticalPath",
    "Escalation",
    "Guard",
    "Halt",
    "Hold",
    "Outstanding",
    "Progress",
    "Relapse",
    "Step",
    "StepOutcome",
    "Suppression",
    "Trace",
    "TracedEvent",
]

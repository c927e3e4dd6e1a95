"""The trace of a recovery: what happened, what still runs, what it waits for."""

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
    "Attempt",
    "AttemptOutcome",
    "CriticalPath",
    "Outstanding",
    "Progress",
    "Step",
    "StepOutcome",
    "Trace",
    "TracedEvent",
]

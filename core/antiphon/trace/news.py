"""News: events about a recovery that are no part of it, so nobody who hears them keeps it open."""

from __future__ import annotations

from antiphon.keys import NEWS_TYPES

ESCALATED = "recovery.escalated"
STEP_FAILED = "step.failed"
"""The answer to a death that no handler gave: a name, so that a trace need not load events."""

NEWS = frozenset(
    {
        *NEWS_TYPES,
        "recovery.cancelled",
        "recovery.stalled",
        "approval.requested",
        "approval.granted",
        "approval.denied",
        "approval.expired",
    }
)
"""The types of all news."""

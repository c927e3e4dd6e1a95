"""Telling people of a recovery: said in the log, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from antiphon.telemetry.metrics import decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What people were told, and because of what."""

    guard: str
    name: str
    limit: int
    value: int
    why: str
    tier: int = 1
    """How far up it went: 1 is who is told first."""


def say_told(told: Told, log: Any) -> None:
    """Say it with a logger that knows the recovery; what goes up a tier was counted before."""
    if told.tier == 1:
        decided(told.guard, "escalated")
    log.error(
        "recovery.escalated",
        guard=told.guard,
        name=told.name,
        limit=told.limit,
        value=told.value,
        reason=told.why,
        tier=told.tier,
    )

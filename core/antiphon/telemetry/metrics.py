"""Counters for Prometheus: what the guards of this process decided."""

from __future__ import annotations

from prometheus_client import Counter

_DECISIONS = Counter(
    "antiphon_guard_decisions",
    "Decisions of guards other than to let a delivery run.",
    ["guard", "decision"],
)


def decided(guard: str, decision: str) -> None:
    """Count a decision; both words come from short lists, so that the series stay few."""
    _DECISIONS.labels(guard, decision).inc()

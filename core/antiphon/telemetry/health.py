"""What probes ask a process: is it alive, and is it ready? Plain data, and how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from antiphon.telemetry.pulse import Pulse

_OK, _UNAVAILABLE = 200, 503


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be so for a process to be ready."""

    name: str
    trouble: str = ""
    """What is wrong, in words; empty when nothing is."""

    def to_dict(self) -> dict[str, Any]:
        """Return the check for JSON."""
        return {"ok": not self.trouble, **({"why": self.trouble} if self.trouble else {})}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe is told."""

    status: int
    """200 or 503."""

    document: dict[str, Any]
    """The JSON that goes with it."""


def liveness(pulse: Pulse) -> Answer:
    """Say whether the event loop turns; one that has hung for seconds wants a restart."""
    behind, hangs = round(pulse.behind_s, 3), pulse.hangs
    document: dict[str, Any] = {"alive": not hangs, "loop_behind_seconds": behind}
    if hangs:
        document["why"] = f"the event loop has not turned for {behind:.1f} s: something blocks it"
        document["at"] = pulse.where()
    return Answer(_UNAVAILABLE if hangs else _OK, document)


def readiness(checks: Sequence[Check]) -> Answer:
    """Say whether every check is passed, and which are not."""
    ready = not any(check.trouble for check in checks)
    document = {"ready": ready, "checks": {check.name: check.to_dict() for check in checks}}
    return Answer(_OK if ready else _UNAVAILABLE, document)

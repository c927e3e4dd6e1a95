"""What a demo of guards found out, and how it says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from antiphon_handlers.demo.guards.sight import Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One run: what could be counted, and what was not as it should be.

    Attributes:
        demo: which one.
        moral: how it ended if the guards did what they are for, in a sentence.
        sight: the cell at the end.
        restarts: how often a process was started again, or a handler ran that would.
        failures: how many failures were published on purpose; None when a probe did it.
        first: server commands for each of the first hundred duplicates, if that was measured.
        last: the same for the last hundred.
        faults: what the guards should have prevented, or done, in words.
    """

    demo: str
    moral: str
    sight: Sight
    restarts: int
    failures: int | None = None
    first: float | None = None
    last: float | None = None
    faults: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the guards did what they are for."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON: the same keys for every demo; what it has not is null."""
        recoveries, trace = self.sight.recoveries, self.sight.trace
        told = trace.escalations[-1] if trace and trace.escalations else None
        measured = {"first_hundred": self.first, "last_hundred": self.last}
        return {
            "demo": self.demo,
            "ok": self.succeeded,
            "faults": list(self.faults),
            "failures": self.failures,
            "recoveries": len(recoveries),
            "correlation_ids": [one.correlation_id for one in recoveries],
            "verdicts": [one.verdict for one in recoveries],
            "status": trace.status if trace else None,
            "verdict": trace.verdict if trace else None,
            "restarts": self.restarts,
            "coalesced": sum(one.coalesced for one in recoveries),
            "escalations": self.sight.told,
            "cut_by": told.guard.kind if told else None,
            "why": told.why if told else None,
            "path": trace.halt.path if trace and trace.halt else None,
            "commands_per_duplicate": None if self.first is None else measured,
            "guards": self.sight.guards.to_dict(),
        }

    def epilogue(self) -> Iterator[str]:
        """Say how it ended."""
        if self.succeeded:
            yield self.moral
        yield from (f"Not as it should be: {fault}." for fault in self.faults)

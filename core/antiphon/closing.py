"""The end of a recovery: what the scripts tell of it, said in the log and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from antiphon.telemetry import metrics

_OPEN = (b"", b"+")


@dataclass(frozen=True, slots=True)
class Closing:
    """How a recovery was closed, told once to whoever settled its last work."""

    verdict: str
    lasted_s: float
    """Seconds since it was first opened; 0 when the server's clock was set back meanwhile."""
    event_type: str
    """Of the event that opened it."""

    @classmethod
    def read(cls, text: bytes) -> Closing | None:
        """Read what `settle.lua` returns; None while the recovery is open."""
        if text in _OPEN:
            return None
        verdict, lasted_ms, event_type = text.decode().removesuffix("+").split(" ", 2)
        return cls(verdict, max(0.0, int(lasted_ms) / 1000), event_type)


def say_closed(closing: Closing | None, correlation_id: str, log: Any) -> None:
    """Say that a recovery is over, if it is, with a logger that knows which, and count it."""
    if closing is not None:
        log.info("recovery.closed", verdict=closing.verdict)
        metrics.closed(closing.event_type, closing.verdict, closing.lasted_s, correlation_id)

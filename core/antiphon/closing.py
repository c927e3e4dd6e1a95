"""The end of a recovery: what the scripts tell of it, said in the log and counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from antiphon.telemetry import metrics


@dataclass(frozen=True, slots=True)
class Closing:
    """How a recovery was closed, told once to whoever settled its last work."""

    verdict: str
    lasted: timedelta
    """Since it was first opened; zero when the server's clock was set back meanwhile."""
    event_type: str
    """Of the event that opened it."""

    @classmethod
    def read(cls, text: bytes) -> Closing | None:
        """Read what `settle.lua` returns; None while the recovery is open."""
        verdict, _, rest = text.decode().removesuffix("+").partition(" ")
        if not verdict:
            return None
        lasted_ms, _, event_type = rest.partition(" ")
        return cls(verdict, timedelta(milliseconds=max(0, int(lasted_ms))), event_type)


def say_closed(closing: Closing | None, correlation_id: str, log: Any) -> None:
    """Say that a recovery is over, if it is, with a logger that knows which, and count it."""
    if closing is not None:
        log.info("recovery.closed", verdict=closing.verdict)
        lasted_s = closing.lasted.total_seconds()
        metrics.closed(closing.event_type, closing.verdict, lasted_s, correlation_id)

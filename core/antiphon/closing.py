"""The end of a recovery: what the scripts tell of it, said in the log and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from antiphon.telemetry import metrics
from antiphon.telling import Told, say_told

_OPEN = (b"", b"+")


@dataclass(frozen=True, slots=True)
class Closing:
    """How a recovery was closed, told once to whoever settled its last work."""

    verdict: str
    lasted_s: float
    """Seconds since it was first opened; 0 when the server's clock was set back meanwhile."""
    event_type: str
    """Of the event that opened it."""
    events: int
    deliveries: int
    """How many the recovery had, and so below."""
    coalesced: int
    escalations: int
    told: Told | None
    """What people were told because it ended like that; None when they were not."""

    @classmethod
    def read(cls, text: bytes) -> Closing | None:
        """Read what `settle.lua` returns; None while the recovery is open."""
        if text in _OPEN:
            return None
        head, _, told = text.decode().removesuffix("+").rpartition("\n")
        verdict, lasted_ms, events, deliveries, coalesced, escalations, kind = head.split(" ", 6)
        return cls(
            verdict,
            max(0.0, int(lasted_ms) / 1000),
            kind,
            int(events),
            int(deliveries),
            int(coalesced),
            int(escalations),
            Told(**orjson.loads(told)) if told else None,
        )


def say_closed(closing: Closing | None, correlation_id: str, log: Any) -> None:
    """Say that a recovery is over, if it is, with a logger that knows which, and count it."""
    if closing is not None:
        if closing.told:
            say_told(closing.told, log)
        log.info(
            "recovery.closed",
            verdict=closing.verdict,
            events=closing.events,
            deliveries=closing.deliveries,
            coalesced=closing.coalesced,
            escalations=closing.escalations,
        )
        metrics.closed(closing.event_type, closing.verdict, closing.lasted_s, correlation_id)

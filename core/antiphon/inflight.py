"""The deliveries that run in this process now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from antiphon.broker.calls import Lease

_HAND_BACK_S = 5.0
"""How long handing a delivery back may take."""

Place = tuple[str, str, str]
"""Group, stream label, entry id."""


class Interruption(Enum):
    """Why a delivery is stopped before its handler is through."""

    LOST = "the lease is somebody else's: touch nothing"
    STOPPING = "the worker stops: hand the delivery back"
    LATE = "the handler's timeout is over: it failed"


@dataclass(slots=True, eq=False)
class Flight:
    """One delivery under way."""

    task: asyncio.Task[None]
    lease: Lease | None = None
    renewed: float = field(default_factory=time.monotonic)
    """When the lease was last known to be ours, on the monotonic clock."""
    interrupted: Interruption | None = None
    settling: bool = False
    """The handler is through and its outcome is being written."""

    def interrupt(self, why: Interruption) -> None:
        """Cancel the handler; the first reason counts."""
        self.interrupted = self.interrupted or why
        self.task.cancel()


class InFlight:
    """Who is under way, by place."""

    def __init__(self) -> None:
        self._flights: dict[Place, Flight] = {}

    def __contains__(self, place: Place) -> bool:
        return place in self._flights

    def __getitem__(self, place: Place) -> Flight:
        return self._flights[place]

    def __len__(self) -> int:
        return len(self._flights)

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._flights.values()))

    def enter(self, place: Place, flight: Flight) -> None:
        """A delivery begins."""
        self._flights[place] = flight

    def leave(self, place: Place) -> None:
        """A delivery is over."""
        del self._flights[place]

    async def drain(self, limit_s: float) -> int:
        """Let everything finish for `limit_s` seconds, then hand the rest back.

        Returns how many deliveries were handed back.
        """
        if tasks := [flight.task for flight in self]:
            await asyncio.wait(tasks, timeout=limit_s)
        rest = list(self)
        for flight in rest:
            flight.interrupt(Interruption.STOPPING)
        if rest:
            await asyncio.wait([flight.task for flight in rest], timeout=_HAND_BACK_S)
        for flight in self:  # the server is away: what is pending will be claimed by others
            flight.task.cancel()
        return len(rest)

"""The heartbeat: renews the lease on every delivery in flight, and notices a lost one."""

from __future__ import annotations

import asyncio
import time

from antiphon.broker.session import Session
from antiphon.inflight import Flight, InFlight, Interruption
from antiphon.telemetry.logging import get_logger


class Heartbeat:
    """Renews what has run for longer than a third of the lease."""

    name = "heartbeat"

    def __init__(self, session: Session, in_flight: InFlight) -> None:
        self._session = session
        self._in_flight = in_flight
        self._lease_s = session.settings.lease.total_seconds()
        self.every = session.settings.lease / 6
        self._log = get_logger()

    async def once(self) -> None:
        """Renew, and stop every delivery that turns out to be somebody else's."""
        # Trust counts from before the request, so a slow reply never lengthens a lease.
        asked = time.monotonic()
        old = [f for f in self._in_flight if f.lease and asked - f.renewed > self._lease_s / 3]
        await asyncio.gather(*(self._renew(flight, asked) for flight in old))

    async def _renew(self, flight: Flight, asked: float) -> None:
        lease = flight.lease
        if lease is None or flight.task.done():
            return
        if await self._session.gatherer.run(self._session.calls.renew(lease)) == 1:
            flight.renewed = asked
        elif not flight.settling:
            self._log.warning(
                "lease.lost",
                correlation_id=lease.delivery.envelope.correlation_id,
                group=lease.delivery.handler.group,
                entry_id=lease.delivery.entry_id,
            )
            flight.interrupt(Interruption.LOST)

"""One worker's dealings with the server: its connections, its name, its calls."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from redis.asyncio import Redis

from antiphon.broker.calls import Calls
from antiphon.broker.chimes import Chimes
from antiphon.broker.claims import Claims
from antiphon.broker.clock import now_ms
from antiphon.broker.connection import connect
from antiphon.broker.gather import Gatherer
from antiphon.broker.incidents import Incidents
from antiphon.broker.rousing import Rouser
from antiphon.duration import milliseconds
from antiphon.keys import Keys
from antiphon.settings import Settings


@dataclass(frozen=True, slots=True)
class Session:
    """Everything a part of a worker needs to speak to Redis."""

    settings: Settings
    keys: Keys
    consumer: str
    client: Redis
    gatherer: Gatherer
    calls: Calls
    claims: Claims
    incidents: Incidents
    chimes: Chimes

    @classmethod
    def open(cls, settings: Settings) -> Session:
        """Open a session; connections are made at their first command.

        Raises:
            ConfigurationError: the server cannot or must not be used.
        """
        keys, client = Keys(settings.cell), connect(settings)
        consumer = settings.consumer or _unique_name()
        gatherer = Gatherer(client)
        return cls(
            settings=settings,
            keys=keys,
            consumer=consumer,
            client=client,
            gatherer=gatherer,
            calls=Calls(keys, settings, consumer),
            claims=Claims(gatherer, consumer),
            incidents=Incidents(gatherer, keys, settings, consumer),
            chimes=Chimes(client, gatherer, keys, settings),
        )

    def reading_client(self, block: timedelta) -> Redis:
        """A client whose connection may be silent for as long as a read blocks."""
        return connect(self.settings, blocking=block)

    async def takes_turn(self, duty: str, every: timedelta) -> bool:
        """Whether this worker, and no other of the cell, does a duty this time."""
        key, lifetime_ms = self.keys.turn(duty), max(1, milliseconds(every) // 2)
        return bool(await self.client.set(key, self.consumer, nx=True, px=lifetime_ms))

    @property
    def rouser(self) -> Rouser:
        """Brings forward what guards hold."""
        return Rouser(self.client, self.keys)

    async def now_ms(self) -> int:
        """Return the server's time: every instant in a cell is of its clock."""
        return await now_ms(self.client)

    async def aclose(self) -> None:
        """Let go of every connection."""
        await self.gatherer.aclose()
        await self.client.aclose()


def _unique_name() -> str:
    # Two consumers of one name would read each other's entries, so chance has the last word.
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"

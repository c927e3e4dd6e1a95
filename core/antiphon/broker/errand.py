"""One command's dealings with the server: it opens, does its work, and closes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from antiphon.broker.connection import opened
from antiphon.broker.gather import Gatherer
from antiphon.broker.rousing import Rouser
from antiphon.broker.wire import Command, Wire
from antiphon.keys import Keys
from antiphon.settings import Settings

_PATIENCE = timedelta(seconds=10)
"""How long somebody at a terminal waits for a server that does not answer."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Everything a command needs to speak to Redis."""

    settings: Settings
    keys: Keys
    client: Redis
    gatherer: Gatherer
    wire: Wire

    @classmethod
    @asynccontextmanager
    async def begin(cls, settings: Settings) -> AsyncIterator[Errand]:
        """Open what is needed, and close it afterwards.

        Raises:
            ConfigurationError: the server must not be used.
            ServerNotFound: there is none to use.
        """
        async with opened(settings) as client:
            gatherer, wire = Gatherer(client, patience=_PATIENCE), Wire(client)
            try:
                yield cls(settings, Keys(settings.cell), client, gatherer, wire)
            finally:
                await gatherer.aclose()
                await wire.aclose()

    @property
    def rouser(self) -> Rouser:
        """Brings forward what guards hold."""
        return Rouser(self.client, self.keys)

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one round trip and return their replies as the server gave them.

        Raises:
            redis.exceptions.RedisError, OSError: the server did not answer, or refused one.
        """
        replies = await self.wire.round_trip(commands)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

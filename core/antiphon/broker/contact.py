"""Contact with the server: does it answer, and when did it last?"""

from __future__ import annotations

import asyncio
import time

from redis.asyncio import Redis

from antiphon.broker.faults import SERVER_ERRORS
from antiphon.tasks import called_off

_EVERY_S = 1.0
_SILENT_S = 6.0
"""Longer than any command of ours may take."""


class Contact:
    """Asks the server for the time now and then; any thread may ask how it went."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._answered: float | None = None
        self._failed = False

    async def keep(self) -> None:
        """Ask until cancelled."""
        while not called_off():
            try:
                await self._client.time()
                self._answered, self._failed = time.monotonic(), False
            except SERVER_ERRORS:
                self._failed = True
            await asyncio.sleep(_EVERY_S)

    @property
    def trouble(self) -> str:
        """What is wrong, in words; empty when the server answers."""
        if self._answered is None:
            return "the Redis server has not answered yet"
        silent_s = time.monotonic() - self._answered
        if self._failed or silent_s > _SILENT_S:
            return f"the Redis server has not answered for {silent_s:.1f} s"
        return ""

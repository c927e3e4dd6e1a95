"""The sentry: refuses a server that would lose data, and notices a clock that jumps."""

from __future__ import annotations

import time
from datetime import timedelta

from antiphon.broker.faults import telling
from antiphon.broker.session import Session
from antiphon.broker.vitals import read_vitals
from antiphon.errors import ConfigurationError
from antiphon.telemetry.logging import get_logger

_OLDEST_VERSION = (7, 0)
_JUMP_S = 5.0


class Sentry:
    """Watches the server."""

    name = "sentry"
    every = timedelta(seconds=30)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._offset_s: float | None = None
        self._log = get_logger()

    async def check(self) -> None:
        """Refuse to work on a server that cannot keep what it is given.

        Raises:
            ConfigurationError: it may evict keys, or is older than Redis 7.0.
            StreamUnavailable: it cannot be reached, or cannot answer now.
        """
        with telling("looking at the server"):
            vitals = await read_vitals(self._session.client)
        if vitals.version < _OLDEST_VERSION:
            raise ConfigurationError(
                f"the server speaks Redis {vitals.version_text}, and 7.0 is needed: scripts of "
                "older servers can stop half-way when memory runs out"
            )
        if vitals.may_evict and not self._session.settings.allow_eviction:
            raise ConfigurationError(
                f"the server's maxmemory-policy is {vitals.eviction}, which throws events and "
                "idempotency keys away: set it to noeviction, or ANTIPHON_ALLOW_EVICTION=1 to "
                "accept the loss"
            )

    async def once(self) -> None:
        """Compare the server's clock with ours, which cannot jump."""
        before = time.monotonic()
        seconds, micros = await self._session.client.time()
        offset = seconds + micros / 1e6 - (before + time.monotonic()) / 2
        if self._offset_s is not None and abs(offset - self._offset_s) > _JUMP_S:
            self._log.error(
                "clock.jumped",
                by_s=round(offset - self._offset_s, 1),
                effect="due instants and retentions shift by as much",
            )
        self._offset_s = offset

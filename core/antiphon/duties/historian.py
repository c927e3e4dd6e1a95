"""The historian: keeps of every closed recovery what a review needs, beyond its record."""

from __future__ import annotations

from datetime import timedelta

from antiphon.broker.filing import Filing
from antiphon.broker.session import Session
from antiphon.telemetry.logging import get_logger

_AT_MOST = 5
"""How often in a row it goes on when there is more to file: digests take time from deliveries."""


class Historian:
    """Files digests of what closed, once for all workers of the cell."""

    name = "historian"
    every = timedelta(seconds=30)

    def __init__(self, session: Session) -> None:
        self._session = session
        retention = session.settings.history_retention
        self._filing = None if retention is None else Filing(session, retention)
        self._log = get_logger()

    async def once(self) -> None:
        """File what closed since the last time, if it is this worker's turn."""
        if self._filing is None or not await self._session.takes_turn(self.name, self.every):
            return
        filed = 0
        for _ in range(_AT_MOST):
            count, more = await self._filing.once()
            filed += count
            if not more:
                break
        if filed:
            self._log.debug("history.filed", count=filed)

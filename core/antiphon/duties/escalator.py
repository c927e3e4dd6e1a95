"""The escalator: tells people further up of what nobody has acknowledged in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from antiphon.broker.faults import ScriptFailed
from antiphon.broker.scripts import Call, script
from antiphon.broker.session import Session
from antiphon.duration import milliseconds
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.metrics import duty_failed
from antiphon.telling import Told, say_told

_AT_ONCE = 100


class Escalator:
    """Takes every escalation whose instant has come up a tier, once for all workers of the cell."""

    name = "escalator"
    every = timedelta(seconds=5)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._offset = 0
        self._log = get_logger()

    async def once(self) -> None:
        """Tell whoever is next, if it is this worker's turn."""
        if not await self._session.takes_turn(self.name, self.every):
            return
        due = await self._page("-inf", await self._session.now_ms())
        # Nobody is above the last tier; what has got there is looked at to forget it in the end.
        last = await self._page("+inf", "+inf", self._offset)
        self._offset = self._offset + _AT_ONCE if len(last) == _AT_ONCE else 0
        for correlation_id in (*due, *last):
            await self._raise(correlation_id)

    async def _page(self, earliest: str, latest: str | int, offset: int = 0) -> list[str]:
        """Read which escalations go up between two instants."""
        found: Any = await self._session.client.zrange(
            self._session.keys.escalations,
            earliest,
            latest,
            byscore=True,
            offset=offset,
            num=_AT_ONCE,
        )
        return [correlation_id.decode() for correlation_id in found]

    async def _raise(self, correlation_id: str) -> None:
        keys, settings = self._session.keys, self._session.settings
        call = Call(
            script("raise"),
            keys.record(correlation_id, ""),
            (
                correlation_id,
                milliseconds(settings.record_retention),
                *map(milliseconds, settings.escalate_after),
            ),
        )
        try:
            told, *what = await self._session.gatherer.run(call)
        except ScriptFailed as error:  # one that cannot be told must not silence the others
            self._log.warning("duty.failed", duty=self.name, error=str(error))
            duty_failed(self.name)
            return
        if told == 1:
            tier, *words, limit, value = what
            guard, name, reason = (word.decode("utf-8", "replace") for word in words)
            raised = Told(guard=guard, name=name, limit=limit, value=value, why=reason, tier=tier)
            say_told(raised, self._log.bind(correlation_id=correlation_id))

"""The auditor: settles work that can never be done, so that no recovery stays open for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from antiphon.broker.calls import is_failure
from antiphon.broker.replies import said
from antiphon.broker.scripts import Call, script
from antiphon.broker.session import Session
from antiphon.closing import Closing, say_closed
from antiphon.delivery import INBOX
from antiphon.duration import milliseconds
from antiphon.telemetry.logging import get_logger
from antiphon_events import uuid7_ms

_AT_ONCE = 100
_UNHEARD = "?"
_GONE = "trimmed or deleted"
"""What `audit.lua` says of an entry that is lost."""

_PLANNED, _CHILD = frozenset({"later", "join", "undo"}), "child"
"""What a recovery waits for that is no delivery."""


class Auditor:
    """Looks at open recoveries, oldest first: is all they wait for still to be had?"""

    name = "auditor"

    def __init__(self, session: Session) -> None:
        self._session = session
        self.every = max(2 * session.settings.lease, timedelta(seconds=1))
        self._offset = 0
        self._log = get_logger()

    async def once(self) -> None:
        """Audit, if it is this worker's turn."""
        if not await self._session.takes_turn(self.name, self.every):
            return
        client, keys, settings = self._session.client, self._session.keys, self._session.settings
        now_ms = await self._session.now_ms()
        page: Any = await client.zrange(
            keys.open_recoveries,
            "-inf",
            now_ms - milliseconds(settings.lease),
            byscore=True,
            offset=self._offset,
            num=_AT_ONCE,
            withscores=True,
        )
        # Recoveries that wait for long must not hide the others: go on where this page ends.
        self._offset = self._offset + _AT_ONCE if len(page) == _AT_ONCE else 0
        for raw_id, opened_ms in page:
            correlation_id = raw_id.decode()
            members: Any = await client.smembers(keys.outstanding(correlation_id))
            for member in members:
                await self._audit(correlation_id, member.decode(), now_ms, int(opened_ms))

    async def _audit(self, correlation_id: str, member: str, now_ms: int, opened_ms: int) -> None:
        keys, settings = self._session.keys, self._session.settings
        label, entry, group = member.split("|", 2)
        if label in _PLANNED:
            return  # the timers of the cell see to it
        retention_ms, why = milliseconds(settings.record_retention), _GONE
        record = keys.record(correlation_id, "")
        if label == _CHILD and await self._begun(entry):
            return
        if group == _UNHEARD or label == _CHILD:
            began_ms = max(opened_ms, uuid7_ms(entry)) if label == _CHILD else opened_ms
            if now_ms - began_ms < milliseconds(settings.unheard_after):
                return
            why = f"nobody came to hear it within {settings.unheard_after}"
            args = (correlation_id, retention_ms, member, why, int(is_failure(label)))
            call = Call(script("resolve"), record, args)
        else:
            stream = keys.inbox(group) if label == INBOX else keys.events(label)
            call = Call(script("audit"), (*record, stream), (correlation_id, retention_ms, member))
        settled, verdict = await self._session.gatherer.run(call)
        if settled:
            self._log.error(
                "delivery.lost",
                correlation_id=correlation_id,
                group=group,
                outstanding=member,
                reason=why,
                verdict=said(verdict),
            )
            log = self._log.bind(correlation_id=correlation_id)
            say_closed(Closing.read(verdict), correlation_id, log)

    async def _begun(self, correlation_id: str) -> bool:
        client: Any = self._session.client
        return bool(await client.hexists(self._session.keys.recovery(correlation_id), "status"))

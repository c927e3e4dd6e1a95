"""Filing: the digest of every closed recovery goes to the history before its record expires.

The index of closed recoveries says what closed since the last time, in the order of the server's
clock; the closing events could be blocked or trimmed. Nothing depends on whose turn it is: a digest
is a function of the record, and the script files it only as long as the recovery is as it was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from antiphon.broker.history import (
    BEGAN,
    FILED,
    SWEPT,
    day_of,
    days_between,
    digest,
    looked_up,
    pages,
    sizes,
)
from antiphon.broker.reading import read_record
from antiphon.broker.scripts import Call, script
from antiphon.broker.session import Session
from antiphon.duration import milliseconds
from antiphon.instants import EPOCH, instant

_MARGIN_MS = 1000
"""What closed so recently is left for the next time: later nothing can close at that instant."""

_SWEEP_MS = milliseconds(timedelta(days=1))
_A_DAY = timedelta(days=1)
_LOOKED_AT, _WRITTEN = 2000, 200
"""The most recoveries that are looked at, and digested, in one go: a chore must not be felt."""


class Filing:
    """Files what closed, and forgets the oldest days when there are too many digests."""

    def __init__(self, session: Session, retention: timedelta) -> None:
        self._session = session
        self._retention = retention
        self._client: Any = session.client  # redis-py types replies as all they might ever be

    async def once(self) -> tuple[int, bool]:
        """File some of what is not filed yet.

        Returns:
            How many digests were filed, and whether more is to be looked at right away.
        """
        now = await self._session.now_ms()
        cursor = await self._cursor(now)
        looked_at = filed = 0
        keys = self._session.keys
        async for page in pages(self._client, keys.closed_recoveries, cursor, now - _MARGIN_MS):
            for _name, closed_ms in page:
                looked_at += 1
                cursor = closed_ms
            found = await looked_up(self._client, keys, [name for name, _ in page])
            missing = [(name, at) for name, at, known in found if at and not known]
            filed += await self._file(missing, now)
            # What else closed at this very instant is looked at the next time.
            await self._client.hset(keys.history, FILED, cursor)
            if looked_at >= _LOOKED_AT or filed >= _WRITTEN:
                break
        else:
            await self._client.hset(keys.history, FILED, now - _MARGIN_MS)
            return await self._counted(filed, now), False
        return await self._counted(filed, now), True

    async def _cursor(self, now: int) -> int:
        """Find from where to go on; once a day all is looked through, in case some was missed."""
        keys = self._session.keys
        filed, swept, began = await self._client.hmget(keys.history, FILED, SWEPT, BEGAN)
        kept_since = max(now - milliseconds(self._session.settings.record_retention), 0)
        if began is None or (filed is not None and int(filed) < kept_since):
            # Records may have expired that nobody filed.
            await self._client.hset(keys.history, BEGAN, kept_since)
        behind = filed is None or int(filed) > now  # the server's clock may have been set back
        if behind or swept is None or not now - _SWEEP_MS < int(swept) <= now:
            await self._client.hset(keys.history, SWEPT, now)
            return 0
        return int(filed)

    async def _file(self, missing: Sequence[tuple[str, datetime]], now: int) -> int:
        results = [await self._one(name, opened, now) for name, opened in missing]
        return sum(results)

    async def _one(self, correlation_id: str, opened: datetime, now: int) -> bool:
        session, keys = self._session, self._session.keys
        expires = opened.replace(hour=0, minute=0, second=0, microsecond=0) + _A_DAY
        expires_ms = (expires - EPOCH) // timedelta(milliseconds=1) + milliseconds(self._retention)
        if expires_ms <= now:
            return False
        record = await read_record(session.client, keys, correlation_id)
        if record is None or record.summary.status != "closed":
            return False
        # A large ledger takes a while to understand, and deliveries must not wait for it.
        found = await asyncio.to_thread(digest, record)
        call = Call(
            script("file"),
            (keys.recovery(correlation_id), keys.history_of(day_of(opened))),
            (
                correlation_id,
                found.to_bytes(),
                record.summary.closes,
                expires_ms,
                session.settings.history_limit,
            ),
        )
        return bool(await session.gatherer.run(call) == 1)

    async def _counted(self, filed: int, now: int) -> int:
        """Forget the oldest days while more digests are kept than may be."""
        if filed:
            await self._forget(instant(now))
        return filed

    async def _forget(self, now: datetime) -> None:
        session, keys = self._session, self._session.keys
        days = days_between(max(now - self._retention - _A_DAY, EPOCH), now)
        counts = await sizes(self._client, keys, days)
        excess = sum(counts) - session.settings.history_limit
        for day, count in zip(days[:-1], counts, strict=False):
            if excess <= 0:
                return
            if count:
                excess -= count
                await self._client.unlink(keys.history_of(day))
                whole = datetime.fromisoformat(f"{day}T00:00:00+00:00") + _A_DAY
                began = (whole - EPOCH) // timedelta(milliseconds=1)
                await self._client.hset(keys.history, BEGAN, began)

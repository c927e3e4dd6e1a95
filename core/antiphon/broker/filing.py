"""Filing: the digest of every closed recovery goes to the history before its record expires.

The index of closed recoveries says what closed since the last time, in the order of the server's
clock; the closing events could be blocked or trimmed. The audit says what people acknowledged
since, which mostly is filed by then. Nothing depends on whose turn it is: a digest is a function of
the record, and the script files it only as long as the recovery is as it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from antiphon.broker.history import (
    BEGAN,
    FILED,
    HEARD,
    SWEPT,
    Look,
    day_of,
    days_between,
    digested,
    looked_up,
    pages,
    sizes,
)
from antiphon.broker.scripts import Call, script
from antiphon.broker.session import Session
from antiphon.duration import milliseconds
from antiphon.errors import PermanentError
from antiphon.instants import EPOCH, instant
from antiphon.telemetry.logging import get_logger

_MARGIN_MS = 1000
"""What closed so recently is left for the next time: later nothing can close at that instant."""

_A_DAY = timedelta(days=1)
_LOOKED_AT, _WRITTEN = 2000, 200
"""The most recoveries that are looked at, and digested, in one go: a chore must not be felt."""

_HEARD = 200
"""Rows of the audit that are read in one go."""


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
        filed, more = await self._acknowledged(now)
        cursor = await self._cursor(now)
        looked_at = 0
        keys = self._session.keys
        async for page in pages(self._client, keys.closed_recoveries, cursor, now - _MARGIN_MS):
            for _name, closed_ms in page:
                looked_at += 1
                cursor = closed_ms
            filed += await self._file([name for name, _ in page], now)
            # What else closed at this very instant is looked at the next time.
            await self._client.hset(keys.history, FILED, cursor)
            if looked_at >= _LOOKED_AT or filed >= _WRITTEN:
                more = True
                break
        else:
            await self._client.hset(keys.history, FILED, now - _MARGIN_MS)
        if filed:
            await self._forget(instant(now))
        return filed, more

    async def _acknowledged(self, now: int) -> tuple[int, bool]:
        """File anew what people acknowledged since the last time, as `once` does the rest."""
        keys = self._session.keys
        last = await self._client.hget(keys.history, HEARD)
        first = f"({last.decode()}" if last else "-"
        rows = await self._client.xrange(keys.audit, first, "+", count=_HEARD)
        names = [it.get(b"what", b"") for _, it in rows if it.get(b"action") == b"acknowledge"]
        filed = await self._file([name.decode("utf-8", "replace") for name in names], now)
        if rows:
            await self._client.hset(keys.history, HEARD, rows[-1][0])
        return filed, len(rows) == _HEARD

    async def _cursor(self, now: int) -> int:
        """Find from where to go on; once a day all is looked through, in case some was missed.

        Twice in the life of a record at least: people may be told once more of one that is filed.
        """
        keys, retention = self._session.keys, self._session.settings.record_retention
        sweep_ms = milliseconds(min(_A_DAY, retention / 2))
        filed, swept, began = await self._client.hmget(keys.history, FILED, SWEPT, BEGAN)
        kept_since = max(now - milliseconds(retention), 0)
        if began is None or (filed is not None and int(filed) < kept_since):
            # Records may have expired that nobody filed.
            await self._client.hset(keys.history, BEGAN, kept_since)
        behind = filed is None or int(filed) > now  # the server's clock may have been set back
        if behind or swept is None or not now - sweep_ms < int(swept) <= now:
            await self._client.hset(keys.history, SWEPT, now)
            return 0
        return int(filed)

    async def _file(self, names: Sequence[str], now: int) -> int:
        looks = await looked_up(self._client, self._session.keys, names)
        return sum([await self._one(look, now) for look in looks if look.digest is None])

    async def _one(self, look: Look, now: int) -> bool:
        """File one, unless it is not closed, too old, or cannot be read."""
        session, keys = self._session, self._session.keys
        opened = look.opened
        try:
            look.check()
            if opened is None or (expires_ms := self._expires_ms(opened)) <= now:
                return False
            found = await digested(session.client, keys, look.name)
        except PermanentError as error:
            get_logger().warning("history.unreadable", correlation_id=look.name, error=str(error))
            return False
        if found is None or found.closed is None:
            return False
        call = Call(
            script("file"),
            (keys.recovery(look.name), keys.history_of(day_of(opened))),
            (
                look.name,
                found.to_bytes(),
                found.closes,
                expires_ms,
                session.settings.history_limit,
            ),
        )
        return bool(await session.gatherer.run(call) == 1)

    def _expires_ms(self, opened: datetime) -> int:
        """Reckon when the day on which a recovery opened is forgotten."""
        expires = opened.replace(hour=0, minute=0, second=0, microsecond=0) + _A_DAY
        return (expires - EPOCH) // timedelta(milliseconds=1) + milliseconds(self._retention)

    async def _forget(self, now: datetime) -> None:
        """Forget the oldest days while more digests are kept than may be."""
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

"""Recoveries that closed at times a test chooses, and the history they are filed in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from antiphon.broker.filing import Filing
from antiphon.broker.history import FILED
from antiphon.broker.reviewing import reviewed
from antiphon.broker.session import Session
from antiphon.report.digest import Digest
from antiphon.report.review import Review

DAY_MS = 24 * 3600 * 1000
RETENTION = timedelta(days=400)


class Archive:
    """Closes recoveries as the scripts do, with a clock that has gone on since."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.client: Any = session.client
        self.keys = session.keys

    async def close(
        self, name: str, *, ago_ms: int = 10_000, closes: int = 1, verdict: str = "completed"
    ) -> None:
        """Leave the record of a recovery that closed so long ago, and opened a second before.

        What was filed before was filed before that.
        """
        closed = await self.session.now_ms() - ago_ms
        earlier = await self.client.hget(self.keys.recovery(name), "opened")
        fields = {
            "status": "closed",
            "verdict": verdict,
            "type": "service.failed",
            "subject": "orders-db",
            "opened": int(earlier) if earlier else closed - 1000,
            "closed": closed,
            "closes": closes,
        }
        await self.client.hset(self.keys.recovery(name), mapping=fields)
        row = {"kind": "closed", "verdict": verdict}
        await self.client.xadd(self.keys.ledger(name), row, id=f"{closed}-{closes}")
        for key in (self.keys.recovery(name), self.keys.ledger(name)):
            await self.client.pexpire(key, 600_000)
        await self.client.zrem(self.keys.open_recoveries, name)
        await self.client.zadd(self.keys.closed_recoveries, {name: closed})
        filed = await self.client.hget(self.keys.history, FILED)
        if filed and int(filed) > closed:
            await self.client.hset(self.keys.history, FILED, closed)

    async def reopen(self, name: str) -> None:
        opened = int(await self.client.hget(self.keys.recovery(name), "opened"))
        await self.client.hset(self.keys.recovery(name), "status", "open")
        await self.client.hdel(self.keys.recovery(name), "verdict", "closed")
        await self.client.zrem(self.keys.closed_recoveries, name)
        await self.client.zadd(self.keys.open_recoveries, {name: opened})

    async def expire(self, name: str) -> None:
        """The time of its record is over."""
        await self.client.delete(self.keys.recovery(name), self.keys.ledger(name))
        await self.client.zrem(self.keys.closed_recoveries, name)

    async def file(self) -> int:
        """File all there is to file; returns how many digests that were."""
        filing, filed, more = Filing(self.session, RETENTION), 0, True
        while more:
            count, more = await filing.once()
            filed += count
        return filed

    async def filed(self) -> Mapping[str, Mapping[str, Digest]]:
        """By day: what the history holds."""
        found = dict[str, Mapping[str, Digest]]()
        async for key in self.client.scan_iter(f"{self.keys.history}:*"):
            rows = await self.client.hgetall(key)
            found[key.decode().rpartition(":")[2]] = {
                name.decode(): Digest.from_bytes(name.decode(), raw) for name, raw in rows.items()
            }
        return found

    async def review(self, days: int = 90) -> Review:
        span = timedelta(days=days)
        review, _ = await reviewed(
            self.session.client, self.session.settings, span, lambda **_: None
        )
        return review

"""Rousing: whoever a guard holds is looked at again as soon as the guard has changed its mind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from redis.asyncio import Redis

from antiphon.keys import Keys

_PAGE = 500


class Rouser:
    """Brings forward the instants of held deliveries; a call that is lost costs only time."""

    def __init__(self, client: Redis, keys: Keys, now_ms: Callable[[], Any]) -> None:
        self._client = cast("Any", client)  # redis-py types replies as all they might ever be
        self._keys = keys
        self._now_ms = now_ms

    async def everyone(self, guard: str, name: str) -> int:
        """Rouse all deliveries that a guard holds; returns how many."""
        roused, prefix = 0, f"{guard}|{name}|".encode()
        async for delivery, held in self._client.hscan_iter(self._keys.held, count=_PAGE):
            if held.startswith(prefix):
                roused += await self.rouse(delivery.decode())
        return roused

    async def recovery(self, correlation_id: str) -> int:
        """Rouse all that a recovery waits for and that was put off; returns how many."""
        members = await self._client.smembers(self._keys.outstanding(correlation_id))
        return sum([await self.rouse(member.decode()) for member in members])

    async def rouse(self, delivery: str) -> int:
        """Rouse one delivery; returns whether it was put off, 1 or 0."""
        member, _, group = delivery.rpartition("|")
        due, now_ms = self._keys.due(group), await self._now_ms()
        return int(await self._client.zadd(due, {member: now_ms}, xx=True, lt=True, ch=True))

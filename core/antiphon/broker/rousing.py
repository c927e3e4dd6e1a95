"""Rousing: whoever a guard holds is looked at again as soon as the guard has changed its mind."""

from __future__ import annotations

from collections.abc import Awaitable
from collections.abc import Set as AbstractSet
from typing import Any, cast

from redis.asyncio import Redis

from antiphon.broker.clock import now_ms
from antiphon.broker.faults import SERVER_ERRORS
from antiphon.broker.groups import Group
from antiphon.keys import Keys
from antiphon.telemetry.logging import get_logger

_PAGE = 500


class Rouser:
    """Brings forward the instants of held deliveries; a call that is lost costs only time."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = cast("Any", client)  # redis-py types replies as all they might ever be
        self._keys = keys
        self._log = get_logger()

    async def attempt(self, rousing: Awaitable[int]) -> None:
        """Rouse if the server can be reached; whoever is not roused looks again by itself."""
        try:
            await rousing
        except SERVER_ERRORS as error:
            self._log.info("delivery.not_roused", error=str(error))

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

    async def bringing(self, correlation_id: str, types: AbstractSet[str]) -> int:
        """Rouse what a recovery has put off and what brings these types alone; returns how many."""
        members = await self._client.smembers(self._keys.outstanding(correlation_id))
        deliveries = [member.decode() for member in members]
        groups = {delivery.rpartition("|")[2] for delivery in deliveries}
        known = [
            Group.from_json(name, text)
            for name in groups
            if (text := await self._client.hget(self._keys.groups, name))
        ]
        only = {group.name for group in known if group.brings and types >= {*group.brings}}
        losers = [d for d in deliveries if d.rpartition("|")[2] in only]
        return sum([await self.rouse(delivery) for delivery in losers])

    async def rouse(self, delivery: str) -> int:
        """Rouse one delivery; returns whether it was put off, 1 or 0."""
        member, _, group = delivery.rpartition("|")
        due, at = self._keys.due(group), await now_ms(self._client)
        return int(await self._client.zadd(due, {member: at}, xx=True, lt=True, ch=True))

"""The janitor: removes what nothing can need any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from antiphon.broker.faults import SERVER_ERRORS, group_lost
from antiphon.broker.groups import Group, all_registered
from antiphon.broker.scripts import Call, script
from antiphon.broker.session import Session
from antiphon.duration import milliseconds
from antiphon.telemetry.logging import get_logger
from antiphon_events import event_types

_SILENT = timedelta(hours=1)
_PAGE = 500


class Janitor:
    """Removes dead consumers, trims streams below what is still readable, forgets old indexes."""

    name = "janitor"
    every = timedelta(minutes=1)

    def __init__(self, session: Session) -> None:
        self._session = session
        self._log = get_logger()

    async def once(self) -> None:
        """Clean up, if it is this worker's turn."""
        if not await self._session.takes_turn(self.name, self.every):
            return
        client, keys = self._session.client, self._session.keys
        held = [delivery async for delivery, _ in client.hscan_iter(keys.held, count=_PAGE)]
        groups = await all_registered(client, keys)
        for group in groups:
            for stream in group.streams(keys).values():
                await self._forget_consumers(group, stream)
        await self._trim(groups)
        now_ms = await self._session.now_ms()
        kept_ms = milliseconds(self._session.settings.record_retention)
        await client.zremrangebyscore(keys.closed_recoveries, "-inf", now_ms - kept_ms)
        await client.zremrangebyscore(keys.guards, "-inf", now_ms)
        await self._forget_holds(held, {group.name for group in groups})
        await self._forget_requests()

    async def _forget_holds(self, held: list[bytes], known: set[str]) -> None:
        """Forget what guards held for groups that were retired."""
        for delivery in held:
            if delivery.decode().rpartition("|")[2] not in known:
                await self._session.client.hdel(self._session.keys.held, delivery.decode())

    async def _forget_requests(self) -> None:
        """Forget requests for approval of which nothing is kept any more."""
        client: Any = self._session.client  # redis-py types replies as all they might ever be
        keys = self._session.keys
        for raw in await client.zrange(keys.approvals, 0, -1):
            if not await client.exists(keys.approval(raw.decode())):
                await client.zrem(keys.approvals, raw)

    async def _forget_consumers(self, group: Group, stream: str) -> None:
        client, gatherer = self._session.client, self._session.gatherer
        if not await client.exists(stream):
            return
        try:
            consumers = await client.xinfo_consumers(stream, group.name)
        except SERVER_ERRORS as error:
            if group_lost(error):
                return  # whoever runs the handler makes it again; the rest of the cell goes on
            raise
        for consumer in consumers:
            if consumer["idle"] < milliseconds(_SILENT) or consumer["pending"]:
                continue
            args = (group.name, consumer["name"], milliseconds(_SILENT))
            if await gatherer.run(Call(script("forget"), (stream,), args)):
                name = consumer["name"].decode()
                self._log.info("consumer.forgotten", group=group.name, consumer=name)

    async def _trim(self, groups: list[Group]) -> None:
        keys = self._session.keys
        streams = {keys.events(kind) for kind in event_types()}
        for group in groups:
            streams.update(group.streams(keys).values())
        keep_ms = milliseconds(self._session.settings.stream_retention)
        for stream in sorted(streams):
            if not await self._session.client.exists(stream):
                continue
            call = Call(script("trim"), (stream, keys.open_recoveries), (keep_ms,))
            if removed := await self._session.gatherer.run(call):
                self._log.info("stream.trimmed", stream=stream, removed=removed)

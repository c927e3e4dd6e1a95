"""Script calls gathered into round trips.

Calls made while a round trip is under way wait for the next one and travel together.
At rest a call leaves at once, alone; under load batches form by themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from antiphon.broker.faults import passing, pause_s, translated
from antiphon.broker.scripts import Call, Script
from antiphon.broker.wire import Wire
from antiphon.errors import StreamUnavailable
from antiphon.tasks import called_off

_LARGEST_BATCH = 32
"""Small enough that Redis works on one batch while Python makes the next."""

_Waiting = tuple[Call, float, asyncio.Future[Any]]


class Gatherer:
    """Runs script calls over one client, many to a round trip.

    A call is repeated through lost connections and passing errors. Scripts that settle or publish
    recognise their own repetition, so that "unknown whether it happened" becomes "it has happened
    once". One that takes deliveries up finds them taken when it is repeated; they come back after
    the lease.
    """

    def __init__(self, client: Redis, *, patience: timedelta | None = None) -> None:
        """Gather calls for `client`; give a call up after `patience`, or never."""
        self._client = client
        self._wire = Wire(client)
        self._patience = patience
        self._waiting: deque[_Waiting] = deque()
        self._flusher: asyncio.Task[None] | None = None

    async def run(self, call: Call) -> Any:
        """Run one call and return Redis's reply.

        Raises:
            StreamUnavailable: the server could not be reached for as long as patience lasts.
            ScriptFailed: Redis refused the script for a reason that will not pass.
            ConfigurationError: the server refused our name, password or permissions.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, time.monotonic(), future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="antiphon.gatherer")
        return await future

    async def aclose(self) -> None:
        """Let go of calls that still wait; their callers are cancelled."""
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
        for _, _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        await self._wire.aclose()

    async def _flush(self) -> None:
        failures = 0
        batch: list[_Waiting] = []
        try:
            while self._waiting and not called_off():
                size = min(len(self._waiting), _LARGEST_BATCH)
                batch = [self._waiting.popleft() for _ in range(size)]
                again = await self._round_trip(batch)
                batch = []
                if again:
                    self._waiting.extendleft(reversed(again))
                    failures += 1
                    await asyncio.sleep(pause_s(failures))
                else:
                    failures = 0
        finally:
            self._flusher = None
            for _, _, future in batch:
                future.cancel()

    async def _round_trip(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Send a batch, answer its futures, and return the calls to repeat."""
        try:
            replies = await self._send([call for call, _, _ in batch])
        except (RedisError, OSError) as error:
            replies = [error] * len(batch)
        again, missing = [], set[Script]()
        for waiting, reply in zip(batch, replies, strict=True):
            call, since, future = waiting
            if future.done():
                continue
            if not isinstance(reply, Exception):
                future.set_result(reply)
            elif isinstance(reply, NoScriptError):
                missing.add(call.script)
                again.append(waiting)
            elif not passing(reply):
                future.set_exception(translated(reply, call.script.name))
            elif self._patience and time.monotonic() - since > self._patience.total_seconds():
                given_up = StreamUnavailable(f"the Redis server cannot be used: {reply}")
                given_up.__cause__ = reply
                future.set_exception(given_up)
            else:
                again.append(waiting)
        if missing:
            return await self._load(missing, again)
        return again

    async def _load(self, missing: set[Script], again: list[_Waiting]) -> list[_Waiting]:
        try:
            for script in missing:
                await self._client.script_load(script.text)
        except RedisError as error:
            if passing(error):
                return again
            for call, _, future in again:
                future.set_exception(translated(error, call.script.name))
            return []
        return await self._round_trip(again)

    async def _send(self, calls: list[Call]) -> list[Any]:
        return await self._wire.round_trip(
            [("EVALSHA", c.script.sha, len(c.keys), *c.keys, *c.args) for c in calls]
        )

"""The reader of one consumer group: takes what it has room for, and never gives up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from antiphon.broker.faults import SERVER_ERRORS, group_lost, passing, pause_s
from antiphon.broker.wire import StreamReply
from antiphon.duration import milliseconds
from antiphon.errors import AntiphonError
from antiphon.tasks import called_off
from antiphon.telemetry.logging import get_logger

_MOMENT_S = 0.005
_UNBLOCK_EVERY_S, _LAST_READ_S = 0.1, 5.0

Start = Callable[[str, str, Mapping[bytes, bytes]], None]
"""Starts a delivery: stream, entry id, fields."""


class Room:
    """How many deliveries a handler may hold at once, and how many it holds."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._held = 0
        self._freed = asyncio.Event()

    @property
    def free(self) -> int:
        """How many more fit."""
        return self.capacity - self._held

    def take(self) -> None:
        """One more delivery is held."""
        self._held += 1

    def give(self) -> None:
        """A delivery is over."""
        self._held -= 1
        self._freed.set()

    async def wait(self, at_least: int = 1) -> None:
        """Return once so many more fit."""
        while self.free < at_least:
            self._freed.clear()
            await self._freed.wait()


class Reader:
    """Reads new entries of a group's streams into a worker."""

    def __init__(
        self,
        client: Redis,
        *,
        group: str,
        consumer: str,
        streams: list[str],
        block: timedelta,
        room: Room,
        start: Start,
        restore: Callable[[bool], Awaitable[None]],
    ) -> None:
        """Prepare to read.

        Args:
            client: a client of this reader's own, whose one connection may block.
            group: the consumer group.
            consumer: this worker's name in it.
            streams: the streams' keys.
            block: how long one read waits for entries.
            room: how many deliveries fit.
            start: called with each entry.
            restore: called after trouble, with whether the group is lost: makes the group exist
                again and takes up what a lost reply may have left pending with this consumer.
        """
        self._client = client
        self._group = group
        self._consumer = consumer
        self._streams = streams
        self._block_ms = milliseconds(block)
        self._room = room
        self._start = start
        self._restore = restore
        self._connection_id: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._reading = False
        self._stopping = False
        self._backlog = False
        self._log = get_logger()
        self.progressed = time.monotonic()
        """When a read last came back from the server, on the monotonic clock."""

    def begin(self) -> None:
        """Read until stopped."""
        self._task = asyncio.create_task(self._run(), name=f"antiphon.reader.{self._group}")

    async def stop(self, commands: Redis) -> None:
        """Let a read under way return, so that no entry is lost with its reply; then end.

        Whatever else the reader waits for, be it room or a server that is away, is given up.
        """
        self._stopping = True
        patient_until = time.monotonic() + _LAST_READ_S
        while self._task is not None and not self._task.done():
            if self._reading and time.monotonic() < patient_until:
                await self._unblock(commands)
            else:
                self._task.cancel()
            # Again and again: the read may not have begun to block when it was told to end.
            await asyncio.wait([self._task], timeout=_UNBLOCK_EVERY_S)

    async def _run(self) -> None:
        failures, lost = 0, False
        while not (self._stopping or called_off()):
            try:
                if failures:
                    await self._restore(lost)
                    failures, lost = 0, False
                    self._log.info("reader.restored", group=self._group)
                await self._read()
            except (RedisError, OSError, AntiphonError) as error:
                failures += 1
                lost = lost or group_lost(error)
                self._connection_id = None
                self._complain(error, lost=lost, failures=failures)
                await asyncio.sleep(pause_s(failures))

    async def _unblock(self, commands: Redis) -> None:
        if self._connection_id is not None:
            with suppress(*SERVER_ERRORS):
                await commands.client_unblock(self._connection_id)

    async def _read(self) -> None:
        if self._connection_id is None:
            self._connection_id = await self._client.client_id()
        await self._await_room()
        if self._stopping:
            return
        # COUNT holds for each stream of the read, not for all of them together.
        count = max(1, self._room.free // len(self._streams))
        streams: Any = dict.fromkeys(self._streams, ">")
        self._reading = True
        try:
            read = await self._client.xreadgroup(
                self._group, self._consumer, streams, count=count, block=self._block_ms
            )
        finally:
            self._reading = False
        reply = cast("StreamReply", read) or []
        self.progressed = time.monotonic()
        self._backlog = any(len(entries) == count for _, entries in reply)
        for stream, entries in reply:
            key = stream.decode()
            for entry_id, fields in entries:
                self._start(key, entry_id.decode(), fields or {})

    async def _await_room(self) -> None:
        """Wait for a place; with a backlog, a moment longer for many, so that reads stay large."""
        await self._room.wait()
        if self._backlog:
            try:
                async with asyncio.timeout(_MOMENT_S):
                    await self._room.wait(self._room.capacity // 2)
            except TimeoutError:
                return

    def _complain(self, error: Exception, *, lost: bool, failures: int) -> None:
        wrong = isinstance(error, ResponseError) and not lost and not passing(error)
        say = self._log.error if lost or wrong else self._log.warning
        if failures == 1 or wrong:
            event = "group.lost" if lost else "reader.failed"
            say(event, group=self._group, consumer=self._consumer, error=str(error))

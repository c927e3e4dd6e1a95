"""A post: one handler at work in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from antiphon.broker.groups import group_of, register
from antiphon.broker.reader import Reader, Room
from antiphon.broker.session import Session
from antiphon.errors import AntiphonError
from antiphon.executor import Executor
from antiphon.handler import Handler
from antiphon.inflight import Flight, InFlight, Interruption
from antiphon.telemetry.logging import get_logger


class Post:
    """Reads a handler's entries and starts their deliveries."""

    def __init__(
        self, handler: Handler, executor: Executor, session: Session, in_flight: InFlight
    ) -> None:
        self.handler = handler
        self.group = group_of(handler)
        self.streams = self.group.streams(session.keys)
        self.due_key = session.keys.due(handler.group)
        self._labels = {key: label for label, key in self.streams.items()}
        self._executor = executor
        self._session = session
        self._in_flight = in_flight
        settings = session.settings
        capacity = handler.concurrency or settings.concurrency
        self.room = Room(capacity)
        # A read may bring one entry from each stream; those beyond capacity wait their turn.
        self._turn = asyncio.Semaphore(capacity)
        self._client = session.reading_client(settings.block)
        self._reader = Reader(
            self._client,
            group=handler.group,
            consumer=session.consumer,
            streams=[session.keys.events(kind) for kind in handler.kinds],
            block=settings.block,
            room=self.room,
            start=self._read,
            restore=self.restore,
        )
        self._log = get_logger()

    async def open(self) -> None:
        """Register the group and begin to read."""
        session = self._session
        await register(session.client, session.gatherer, session.keys, self.group)
        self._reader.begin()
        self._log.info("handler.listening", group=self.group.name, consumer=session.consumer)

    async def close(self) -> None:
        """Stop reading; what was read goes on."""
        await self._reader.stop(self._session.client)
        await self._client.aclose()

    def healthy(self, now: float) -> bool:
        """Whether reading makes progress (`now` on the monotonic clock)."""
        patience = 2 * self._session.settings.block.total_seconds() + 5
        return self.room.free <= 0 or now - self._reader.progressed < patience

    def start(self, label: str, entry_id: str, fields: Mapping[bytes, bytes]) -> None:
        """Start a delivery, unless it is under way here already."""
        place = (self.handler.group, label, entry_id)
        if place in self._in_flight:
            return
        self.room.take()
        task = asyncio.create_task(self._deliver(place, label, entry_id, fields))
        self._in_flight.enter(place, Flight(task))
        task.add_done_callback(lambda _: self._end(place))

    async def restore(self, lost: bool) -> None:  # noqa: FBT001 - the reader's callback
        """Make the group exist, and take up what a lost reply left pending with this consumer."""
        session = self._session
        created = await register(
            session.client, session.gatherer, session.keys, self.group, lost=lost
        )
        if created:
            self._log.error("group.recreated", group=self.group.name, streams=created)
        for taken in await session.claims.silent(
            self.group.name,
            self.due_key,
            self.streams,
            idle_ms=0,
            room=self.room.capacity + len(self._in_flight),
            held_by=session.consumer,
        ):
            if taken.fields is not None:
                self.start(taken.label, taken.entry_id, taken.fields)

    def _read(self, stream: str, entry_id: str, fields: Mapping[bytes, bytes]) -> None:
        self.start(self._labels[stream], entry_id, fields)

    async def _deliver(
        self,
        place: tuple[str, str, str],
        label: str,
        entry_id: str,
        fields: Mapping[bytes, bytes],
    ) -> None:
        flight, stream = self._in_flight[place], self.streams[label]
        try:
            async with self._turn:
                flight.renewed = time.monotonic()
                await self._executor.deliver(stream, label, entry_id, fields, flight)
        except AntiphonError as error:
            # The entry stays pending, and is claimed again after the lease.
            self._log.error("delivery.failed", group=place[0], entry_id=entry_id, error=str(error))
        except asyncio.CancelledError:
            if flight.lease is not None or flight.interrupted is not Interruption.STOPPING:
                raise
            claims = self._session.claims
            await claims.give_back(self.group.name, self.due_key, label, stream, entry_id)

    def _end(self, place: tuple[str, str, str]) -> None:
        self._in_flight.leave(place)
        self.room.give()

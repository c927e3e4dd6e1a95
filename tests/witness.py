"""A witness: what tests ask a cell about, seen from outside its workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from antiphon import Service, Settings
from antiphon.broker.connection import opened
from antiphon.broker.reading import read_record
from antiphon.keys import Keys
from antiphon.ledger import Entry
from antiphon.records import Record
from support import until

_PATIENCE_SECONDS = 45.0


class Witness:
    """Reads records, streams and dead letters, and waits for them to be as they should."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self.client: Any = client  # redis-py's own types speak of sync and async at once
        self.keys = keys

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Witness]:
        async with opened(settings) as client:
            yield cls(client, Keys(settings.cell))

    async def record(self, correlation_id: str) -> Record | None:
        return await read_record(self.client, self.keys, correlation_id)

    async def closed(self, correlation_id: str, *, verdict: str = "completed") -> Record:
        """Wait until a recovery is over, and hold it to its verdict."""
        seen: list[Record | None] = []

        async def over() -> bool:
            seen[:] = [await self.record(correlation_id)]
            return seen[0] is not None and seen[0].summary.status == "closed"

        try:
            await until(over, _PATIENCE_SECONDS)
        except AssertionError:
            raise AssertionError(f"the recovery is not over: {seen}") from None
        [record] = seen
        assert record is not None
        assert record.summary.verdict == verdict, record
        return record

    async def told(self, correlation_id: str, kind: str, **fields: str) -> Entry:
        """Wait until the ledger has a row of this kind, with these fields among its own."""

        async def found() -> list[Entry]:
            record = await self.record(correlation_id)
            return rows(record, kind, **fields) if record else []

        first, *_ = await until(found, _PATIENCE_SECONDS)
        return first

    async def entries(self, event_type: str) -> list[dict[str, str]]:
        """Read the whole stream of a type; each entry's id is under ``entry``."""
        return await self._stream(self.keys.events(event_type))

    async def dead_letters(self) -> list[dict[str, str]]:
        return await self._stream(self.keys.dead)

    async def xadd(self, event_type: str, fields: dict[Any, Any]) -> str:
        """Write an entry as any Redis client would; its correlation id is yet to be derived."""
        entry: bytes = await self.client.xadd(self.keys.events(event_type), fields)
        return entry.decode()

    async def pending(self, group: str, event_type: str) -> int:
        found = await self.client.xpending(self.keys.events(event_type), group)
        count: int = found["pending"]
        return count

    async def open_recoveries(self) -> list[str]:
        return [
            name.decode() for name in await self.client.zrange(self.keys.open_recoveries, 0, -1)
        ]

    async def _stream(self, key: str) -> list[dict[str, str]]:
        return [
            {"entry": entry.decode()}
            | {_text(name): _text(value) for name, value in fields.items()}
            for entry, fields in await self.client.xrange(key)
        ]


def rows(record: Record, kind: str, **fields: str) -> list[Entry]:
    """The rows of a ledger that are of this kind, with these fields among their own."""
    return [
        row
        for row in record.ledger
        if row.kind == kind and all(row.text(name) == text for name, text in fields.items())
    ]


def changed(settings: Settings, **values: Any) -> Settings:
    """The same settings but for these; what depends on them follows."""
    given = settings.model_dump(include=settings.model_fields_set)
    return Settings(**{**given, **values})


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    """Run services in this event loop."""
    async with AsyncExitStack() as stack:
        for service in services:
            stack.push_async_callback(service.stop)
            await service.start()
        yield


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")

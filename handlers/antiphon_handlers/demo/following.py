"""The demo's cell in Redis: the record that is followed, and its removal at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from antiphon import Settings, StreamUnavailable
from antiphon.broker.connection import opened
from antiphon.broker.faults import telling
from antiphon.broker.reading import RedisReading
from antiphon.keys import Keys
from antiphon.records import Records
from antiphon.trace import Trace

LOOK_EVERY_SECONDS = 0.1


@asynccontextmanager
async def open_records(settings: Settings) -> AsyncIterator[Records]:
    """Open the records of a cell for reading."""
    with telling("reading the record"):
        async with opened(settings) as client:
            yield Records(RedisReading(client, Keys(settings.cell)))


async def forget(settings: Settings) -> None:
    """Remove every key of a cell: a borrowed server is left as it was found.

    With a server that is gone there is nothing to be done, and the demo has said why it failed.
    """
    with suppress(StreamUnavailable), telling("removing the demo's keys"):
        async with opened(settings) as client:
            async for key in client.scan_iter(match=f"{Keys(settings.cell).prefix}*", count=1000):
                await client.unlink(key)


async def follow(records: Records, on_look: Callable[[Trace | None], None]) -> Trace:
    """Follow the only recovery of a cell until it closes.

    Args:
        records: where to look.
        on_look: told the recovery as it is, ten times a second; None while there is none. What it
            raises ends the following.
    """
    while True:
        trace = await newest(records)
        on_look(trace)
        if trace is not None and trace.closed is not None:
            return trace
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def newest(records: Records) -> Trace | None:
    """Read the newest recovery of a cell; None while there is none."""
    for summary in await records.recoveries(limit=1):
        return await records.trace(summary.correlation_id)
    return None

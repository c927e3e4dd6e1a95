"""Guards hold for all replicas together: whole workers, each with its own connections."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from antiphon import Breaker, Publisher, Retry, Service, Settings
from antiphon_events import ServiceFailed
from support import until
from witness import Witness, changed, running

AT_ONCE = Retry(attempts=50, first="1ms", longest="1ms")


async def test_five_replicas_send_one_probe(settings: Settings, witness: Witness) -> None:
    """A half-open circuit lets exactly one call of all replicas through; the rest wait for it."""
    breaker = Breaker("orders-db", fail_max=3, reset_timeout="700ms")
    down, calls, going = True, 0, asyncio.Event()
    key = witness.keys.guard("breaker", "orders-db")

    def replica() -> Service:
        service = Service("orders", settings=settings)

        @service.on(ServiceFailed, breaker=breaker, retry=AT_ONCE)
        async def restore(failed: ServiceFailed) -> None:
            nonlocal calls
            calls += 1
            if down:
                raise ConnectionError("no answer")
            await going.wait()

        return service

    async def state(wanted: bytes) -> bool:
        found: Any = await witness.client.hget(key, "state")
        return bool(found == wanted)

    async with AsyncExitStack() as replicas, Publisher(settings) as publisher:
        for _ in range(5):
            await replicas.enter_async_context(running(replica()))
        receipts = [await publisher.publish(ServiceFailed(subject=f"s{n}")) for n in range(20)]
        await until(lambda: state(b"open"))
        # What had been let through before it opened has come back by now, and counts no more.
        await asyncio.sleep(0.3)
        before, down = calls, False
        await until(lambda: state(b"half-open"))
        await asyncio.sleep(0.5)
        assert calls - before == 1, "one probe, whatever the number of replicas"
        going.set()
        for receipt in receipts:
            record = await witness.closed(receipt.correlation_id)
            assert record.summary.dead == 0
    assert not await witness.client.exists(key), "closed, and nothing is held against it"


async def test_twenty_replicas_keep_one_rate(settings: Settings, witness: Witness) -> None:
    """In no window do twenty replicas start more than the limit, and nothing is lost by waiting."""
    limit, window_ms, recoveries = 10, 400, 60
    settings = changed(settings, storm="1000/1m")
    used: dict[bytes, float] = {}

    def replica() -> Service:
        service = Service("orders", settings=settings)

        @service.on(ServiceFailed, rate=f"{limit}/{window_ms}ms")
        async def restore(failed: ServiceFailed) -> None: ...

        return service

    async def read_the_log() -> None:
        # A ledger row is stamped when it is written, which on a busy machine is not the instant
        # that the script went by; the log of the rate holds that one, for a window.
        key = witness.keys.guard("rate", "handler:orders.restore")
        while True:
            used.update(await witness.client.zrange(key, 0, -1, withscores=True))
            await asyncio.sleep(window_ms / 10_000)

    async with AsyncExitStack() as replicas, Publisher(settings) as publisher:
        for _ in range(20):
            await replicas.enter_async_context(running(replica()))
        reading = asyncio.create_task(read_the_log())
        receipts = await asyncio.gather(
            *(publisher.publish(ServiceFailed(subject=f"s{n}")) for n in range(recoveries))
        )
        starts = [
            row
            for receipt in receipts
            for row in (await witness.closed(receipt.correlation_id)).ledger
            if row.kind == "started"
        ]
        reading.cancel()
    assert len(starts) == recoveries, "every delivery ran once, and none spent a retry on waiting"
    assert len(used) == recoveries, "every start was counted, and seen to be"
    instants = sorted(used.values())
    for first, later in zip(instants, instants[limit:], strict=False):
        assert later - first >= window_ms, "more than the limit in one window"

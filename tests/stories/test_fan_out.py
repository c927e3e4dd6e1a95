"""Several services answer one failure at the same time, and none knows of the others."""

from __future__ import annotations

import asyncio

from antiphon import Service, Settings
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed, ServiceRestarted
from witness import Witness, rows, running


async def test_handlers_of_one_event_run_side_by_side(settings: Settings, witness: Witness) -> None:
    """Parallel steps are several handlers on one event; each finishes while all of them run."""
    db, cache, api = (Service(name, settings=settings) for name in ("db", "cache", "api"))
    together = asyncio.Barrier(3)

    @db.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        await together.wait()
        return DatabaseRestored(subject="db")

    @cache.on(ServiceFailed)
    async def warm(failed: ServiceFailed) -> CacheWarmed:
        await together.wait()
        return CacheWarmed(subject="cache")

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        await together.wait()
        return ServiceRestarted(subject="api")

    async with running(db, cache, api):
        receipt = await db.publish(ServiceFailed(subject="shop"))
        record = await witness.closed(receipt.correlation_id)

    assert record.summary.done == 3
    [root] = rows(record, "published", event=receipt.event_id)
    assert set(root.text("to").split(",")) == {"db.restore", "cache.warm", "api.restart"}


async def test_the_recovery_ends_with_its_slowest_step(
    settings: Settings, witness: Witness
) -> None:
    """A recovery is over when nothing is left to do, not when the first step is done."""
    shop = Service("shop", settings=settings)
    quick_is_done = asyncio.Event()

    @shop.on(ServiceFailed)
    async def quick(failed: ServiceFailed) -> None: ...

    @shop.on(ServiceFailed)
    async def slow(failed: ServiceFailed) -> None:
        await quick_is_done.wait()

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="shop"))
        await witness.told(receipt.correlation_id, "completed", group="shop.quick")
        record = await witness.record(receipt.correlation_id)
        assert record is not None
        assert record.summary.status == "open"
        [waiting_for] = record.outstanding
        assert waiting_for.endswith("|shop.slow")
        quick_is_done.set()
        await witness.closed(receipt.correlation_id)

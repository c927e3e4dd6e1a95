"""Child recoveries meet life: cancelling, age, generations, news; each as it should be."""

from __future__ import annotations

import asyncio

from antiphon import Recovery, Service, Settings
from antiphon.broker.cancelling import Cancelling
from antiphon.broker.errand import Errand
from antiphon.broker.session import Session
from antiphon.duties.auditor import Auditor
from antiphon_events import (
    CacheLost,
    ChildClosed,
    DatabaseFailed,
    RecoveryCompleted,
    ServiceFailed,
    ServiceRestarted,
)
from support import until
from witness import Witness, running

FAILED = DatabaseFailed(subject="db")


async def test_a_child_that_never_begins_does_not_hold_a_cancelled_parent(
    settings: Settings, witness: Witness
) -> None:
    """Nobody hears the child yet: the parent is over, and the child would be cancelled."""
    shop = Service("shop", settings=settings)

    @shop.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.start(CacheLost(subject="cache"))

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(FAILED)
        await witness.told(receipt.correlation_id, "child")
        done = await Cancelling(errand).cancel(receipt.correlation_id, by="ada", reason="")
        assert done.children == 1
        await witness.closed(receipt.correlation_id, verdict="cancelled")

    late, ran = Service("late", settings=settings), list[str]()

    @late.on(CacheLost)
    async def warm(lost: CacheLost) -> None:
        ran.append(lost.subject)

    async with running(late):
        await until(lambda: witness.entries("recovery.cancelled"))
        await asyncio.sleep(0.3)
    assert ran == []


async def test_a_child_is_as_old_as_itself(settings: Settings, witness: Witness) -> None:
    """A parent that has been open for long does not make its child one that nobody hears."""
    strict = Settings(
        redis_url=settings.redis_url, cell=settings.cell, unheard_after="1s", lease="200ms"
    )
    shop = Service("shop", settings=strict)
    start = asyncio.Event()

    @shop.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        await start.wait()
        recovery.start(CacheLost(subject="cache"))

    async with running(shop):
        receipt = await shop.publish(FAILED)
        await asyncio.sleep(1.2)
        start.set()
        await witness.told(receipt.correlation_id, "child")
        session = Session.open(strict)
        try:
            await session.client.delete(session.keys.turn("auditor"))
            await Auditor(session).once()
        finally:
            await session.aclose()
        record = await witness.record(receipt.correlation_id)
        assert record is not None
        assert record.summary.status == "open"
        # Once it is that old itself, it is given up.
        await witness.closed(receipt.correlation_id, verdict="partial")


async def test_a_child_of_a_child_is_told_upwards(settings: Settings, witness: Witness) -> None:
    """Each generation waits for the next, and the first one hears in the end."""
    shop, heard = Service("shop", settings=settings), list[str]()

    @shop.on(DatabaseFailed)
    async def one(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.start(CacheLost(subject="cache"))

    @shop.on(CacheLost)
    async def two(lost: CacheLost, recovery: Recovery) -> None:
        recovery.start(ServiceFailed(subject="api"))

    @shop.on(ServiceFailed)
    async def three(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject="api")

    @shop.on(ChildClosed)
    async def hear(closed: ChildClosed) -> None:
        heard.append(f"{closed.subject} {closed.verdict}")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id)
    assert heard == ["api completed", "cache completed"]


async def test_a_child_that_is_started_by_news_is_nobody_s_to_wait_for(
    settings: Settings, witness: Witness
) -> None:
    """A recovery that is over is not opened again by what a handler of its end begins."""
    shop, started = Service("shop", settings=settings), list[str]()

    @shop.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed) -> None: ...

    @shop.on(RecoveryCompleted.about("db"))
    async def tidy(completed: RecoveryCompleted, recovery: Recovery) -> None:
        started.append(recovery.start(CacheLost(subject="cache")))

    @shop.on(CacheLost)
    async def warm(lost: CacheLost) -> None: ...

    async with running(shop):
        receipt = await shop.publish(FAILED)
        await until(lambda: started)
        await witness.closed(started[0])
        record = await witness.closed(receipt.correlation_id)
    assert (len(started), record.summary.closes) == (1, 1)

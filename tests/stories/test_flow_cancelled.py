"""What becomes of steps and children when people cancel."""

from __future__ import annotations

import asyncio

from antiphon import Joined, Recovery, Service, Settings, all_of
from antiphon.broker.cancelling import Cancelling
from antiphon.broker.errand import Errand
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    ServiceDegraded,
    ServiceRestarted,
)
from witness import Witness, rows, running


async def test_a_cancelled_recovery_starts_nothing_more(
    settings: Settings, witness: Witness
) -> None:
    """Cancelling lets the running step end, begins no other, and undoes what was done."""
    shop, undone = Service("shop", settings=settings), list[str]()
    begun, may = asyncio.Event(), asyncio.Event()

    async def unrestore(failed: DatabaseFailed) -> None:
        undone.append("restore")

    @shop.on(DatabaseFailed, undo=unrestore)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
        recovery.publish(CacheWarmed(subject="cache"), after="1h")
        return DatabaseRestored(subject="db")

    @shop.on(DatabaseRestored)
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        begun.set()
        await may.wait()
        return CacheWarmed(subject="cache")

    @shop.on(CacheWarmed)
    async def restart(warmed: CacheWarmed) -> None:
        raise AssertionError(warmed)

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(DatabaseFailed(subject="db"))
        await begun.wait()
        cancelled = await Cancelling(errand).cancel(
            receipt.correlation_id, by="ada", reason="wrong database"
        )
        assert (cancelled.dropped, cancelled.verdict, cancelled.repeated) == (1, "", False)
        again = await Cancelling(errand).cancel(receipt.correlation_id, by="ada", reason="")
        assert again.repeated
        may.set()
        record = await witness.closed(receipt.correlation_id, verdict="cancelled")

    assert undone == ["restore"]
    [closing] = await witness.entries("recovery.cancelled")
    assert '"reason":"ada: wrong database"' in closing["data"]
    assert rows(record, "suppressed", guard="cancel", group="shop.restart")


async def test_a_child_is_cancelled_alone(settings: Settings, witness: Witness) -> None:
    """The parent hears of it, and goes on; cancelling the parent cancels the child."""
    shop, children, heard = Service("shop", settings=settings), list[str](), list[str]()
    begun, may = asyncio.Event(), asyncio.Event()

    @shop.on(ServiceDegraded)
    async def part(degraded: ServiceDegraded, recovery: Recovery) -> None:
        children.append(recovery.start(CacheLost(subject="cache")))

    @shop.on(CacheLost)
    async def fill(lost: CacheLost) -> CacheWarmed:
        begun.set()
        await may.wait()
        return CacheWarmed(subject="cache")

    @shop.on(ChildClosed)
    async def hear(child: ChildClosed) -> None:
        heard.append(child.verdict)

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(ServiceDegraded(subject="shop"))
        await begun.wait()
        await Cancelling(errand).cancel(children[0], by="ada", reason="")
        may.set()
        await witness.closed(children[0], verdict="cancelled")
        await witness.closed(receipt.correlation_id)
        assert heard == ["cancelled"]
        begun.clear()
        may.clear()
        second = await shop.publish(ServiceDegraded(subject="shop"))
        await begun.wait()
        done = await Cancelling(errand).cancel(second.correlation_id, by="ada", reason="")
        assert done.children == 1
        may.set()
        await witness.closed(children[1], verdict="cancelled")
        await witness.closed(second.correlation_id, verdict="cancelled")


async def test_cancelling_again_does_what_was_left(settings: Settings, witness: Witness) -> None:
    """A command that was interrupted before it came to the children can be repeated."""
    shop, children = Service("shop", settings=settings), list[str]()
    begun, may = asyncio.Event(), asyncio.Event()

    @shop.on(ServiceDegraded)
    async def part(degraded: ServiceDegraded, recovery: Recovery) -> None:
        children.append(recovery.start(CacheLost(subject="cache")))

    @shop.on(CacheLost)
    async def fill(lost: CacheLost) -> CacheWarmed:
        begun.set()
        await may.wait()
        return CacheWarmed(subject="cache")

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(ServiceDegraded(subject="shop"))
        await begun.wait()
        cancelling = Cancelling(errand)
        await cancelling._run(receipt.correlation_id, "ada", "", may_begin=False)
        again = await cancelling.cancel(receipt.correlation_id, by="ben", reason="")
        assert (again.repeated, again.children) == (True, 1)
        may.set()
        await witness.closed(children[0], verdict="cancelled")
        record = await witness.closed(receipt.correlation_id, verdict="cancelled")
    assert [row.text("by") for row in rows(record, "cancelled")] == ["ada"]


async def test_a_step_that_ends_after_the_cancelling_begins_nothing(
    settings: Settings, witness: Witness
) -> None:
    """What it puts off, starts or brings to a join is not waited for: the recovery closes."""
    shop = Service("shop", settings=settings)
    begun, may = asyncio.Event(), asyncio.Event()

    @shop.on(ServiceDegraded)
    async def part(degraded: ServiceDegraded, recovery: Recovery) -> DatabaseRestored:
        begun.set()
        await may.wait()
        recovery.publish(ServiceRestarted(subject="api"), after="1h")
        recovery.start(CacheLost(subject="cache"))
        return DatabaseRestored(subject="db")

    @shop.on(all_of(DatabaseRestored, CacheWarmed), within="1h")
    async def reopen(joined: Joined) -> None:
        raise AssertionError(joined)

    @shop.on(CacheLost)
    async def fill(lost: CacheLost) -> None:
        raise AssertionError(lost)

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(ServiceDegraded(subject="shop"))
        await begun.wait()
        await Cancelling(errand).cancel(receipt.correlation_id, by="ada", reason="")
        may.set()
        record = await witness.closed(receipt.correlation_id, verdict="cancelled")
    assert len(rows(record, "completed", group="shop.part")) == 1
    assert await witness.entries("cache.lost") == []
    assert not await witness.client.exists(witness.keys.timers)

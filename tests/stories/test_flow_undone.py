"""What a recovery did is taken back, last first, until somebody wants it to go on."""

from __future__ import annotations

import asyncio

from antiphon import Joined, PermanentError, Recovery, Retry, Service, Settings, all_of
from antiphon.broker.deadletters import DeadLetters
from antiphon.broker.errand import Errand
from antiphon.deadletter import Choice
from antiphon_events import CacheWarmed, DatabaseFailed, DatabaseRestored, ServiceFailed
from witness import Witness, rows, running

ONCE = Retry(attempts=1)


async def test_completed_steps_are_undone_last_first(settings: Settings, witness: Witness) -> None:
    """A recovery that did not complete takes back what it did, in the reverse order."""
    shop, undone = Service("shop", settings=settings), list[tuple[str, str]]()

    async def unrestore(failed: DatabaseFailed, recovery: Recovery) -> None:
        assert recovery.undoing is not None
        undone.append(("restore", recovery.undoing[DatabaseRestored].backup))

    async def cool(joined: Joined, recovery: Recovery) -> None:
        undone.append(("warm", joined[DatabaseRestored].backup))

    @shop.on(DatabaseFailed, undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db", backup="monday")

    @shop.on(all_of(DatabaseRestored), undo=cool)
    async def warm(joined: Joined) -> CacheWarmed:
        return CacheWarmed(subject="cache")

    @shop.on(CacheWarmed, retry=ONCE)
    async def restart(warmed: CacheWarmed) -> None:
        raise PermanentError("no room")

    async with running(shop):
        receipt = await shop.publish(DatabaseFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id, verdict="partial")

    assert undone == [("warm", "monday"), ("restore", "monday")]
    [closing] = await witness.entries("recovery.partial")
    assert '"undone":["shop.restore","shop.warm"]' in closing["data"]
    assert len(rows(record, "undo")) == 2
    assert len(rows(record, "completed", undo="1")) == 2


async def test_what_cannot_be_undone_is_named_and_escalated(
    settings: Settings, witness: Witness
) -> None:
    """An undo that fails for good does not keep the others from being undone."""
    shop, undone = Service("shop", settings=settings), list[str]()

    async def unrestore(failed: DatabaseFailed) -> None:
        undone.append("restore")

    async def cool(restored: DatabaseRestored) -> None:
        raise PermanentError("the cache is gone")

    @shop.on(DatabaseFailed, undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @shop.on(DatabaseRestored, undo=cool)
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        return CacheWarmed(subject="cache")

    @shop.on(CacheWarmed, retry=ONCE)
    async def restart(warmed: CacheWarmed) -> None:
        raise PermanentError("no room")

    async with running(shop):
        receipt = await shop.publish(DatabaseFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id, verdict="partial")

    assert undone == ["restore"]
    assert any("shop.warm: could not be undone" in reason for reason in record.summary.reasons)
    assert rows(record, "escalated", guard="undo")


async def test_a_replay_ends_a_rollback(settings: Settings, witness: Witness) -> None:
    """A person who replays wants it to go on: no more is undone, and what was is named."""
    shop, undone = Service("shop", settings=settings), list[str]()
    undoing, may = asyncio.Event(), asyncio.Event()
    broken = True

    async def unrestore(failed: DatabaseFailed) -> None:
        undone.append("restore")
        undoing.set()
        await may.wait()

    async def cool(restored: DatabaseRestored) -> None:
        undone.append("warm")

    async def unfirst(failed: ServiceFailed) -> None:
        undone.append("first")

    @shop.on(ServiceFailed, undo=unfirst)
    async def first(failed: ServiceFailed) -> DatabaseFailed:
        return DatabaseFailed(subject="db")

    @shop.on(DatabaseFailed, undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @shop.on(DatabaseRestored, retry=ONCE, undo=cool)
    async def warm(restored: DatabaseRestored) -> None:
        if broken:
            raise PermanentError("no room")

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(ServiceFailed(subject="shop"))
        await undoing.wait()
        broken = False
        letters = DeadLetters(errand)
        [letter] = [one async for one in letters.oldest_first(Choice())]
        await letters.replay(letter)
        await witness.told(receipt.correlation_id, "completed", group="shop.warm")
        may.set()
        await witness.closed(receipt.correlation_id, verdict="partial")
    assert undone == ["restore"]
    [closing] = await witness.entries("recovery.partial")
    assert '"undone":["shop.restore"]' in closing["data"]

"""The flow meets life: joins, branches, timers and undoing, each as it should be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon import Joined, PermanentError, Recovery, Retry, Service, Settings, any_of
from antiphon.broker.cancelling import Cancelling
from antiphon.broker.errand import Errand
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    Event,
    RecoveryCompleted,
    ServiceRecovered,
    StepFailed,
)
from support import until
from witness import Witness, rows, running

ONCE = Retry(attempts=1)
FAILED = DatabaseFailed(subject="db")


class Unwritable(Event):
    """An event whose data is no JSON."""

    type = "unwritable.happened"

    what: Any = None


async def test_what_was_taken_back_can_be_done_again(settings: Settings, witness: Witness) -> None:
    """An effect that was undone is forgotten with its key."""
    shop, did, well = Service("shop", settings=settings), list[str](), asyncio.Event()

    async def unrestore(failed: DatabaseFailed) -> None:
        did.append("undo")

    @shop.on(DatabaseFailed, key="{subject}", undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        did.append("restore")
        return DatabaseRestored(subject="db")

    @shop.on(DatabaseRestored, retry=ONCE)
    async def warm(restored: DatabaseRestored) -> None:
        if not well.is_set():
            raise PermanentError("no room")

    async with running(shop):
        first = await shop.publish(FAILED)
        await witness.closed(first.correlation_id, verdict="partial")
        well.set()
        second = await shop.publish(FAILED)
        await witness.closed(second.correlation_id)
    assert did == ["restore", "undo", "restore"]


async def test_a_join_that_won_is_retried_and_what_follows_runs(
    settings: Settings, witness: Witness
) -> None:
    """Only what came before the join fired is outrun: neither the winner nor what it leads to."""
    shop, tries, verified = Service("shop", settings=settings), list[int](), list[str]()

    @shop.on(DatabaseFailed)
    async def promote(failed: DatabaseFailed) -> ServiceRecovered:
        return ServiceRecovered(subject="db")

    @shop.on(
        any_of(DatabaseRestored, ServiceRecovered, losers="cancel"),
        retry=Retry(3, first="10ms", longest="10ms"),
    )
    async def decide(joined: Joined, recovery: Recovery) -> CacheWarmed:
        tries.append(recovery.attempt)
        if recovery.attempt == 1:
            raise ConnectionError("once")
        return CacheWarmed(subject="cache")

    @shop.on(CacheWarmed)
    async def verify(warmed: CacheWarmed) -> DatabaseRestored:
        verified.append("verify")
        return DatabaseRestored(subject="db")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        record = await witness.closed(receipt.correlation_id)
    assert (tries, verified) == ([1, 2], ["verify"])
    assert len(rows(record, "won")) == 1
    assert not rows(record, "outrun")


async def test_a_step_that_ran_while_it_was_cancelled_plans_nothing(
    settings: Settings, witness: Witness
) -> None:
    """What it puts off and what it starts is dropped, and said to be."""
    shop, begun, may = Service("shop", settings=settings), asyncio.Event(), asyncio.Event()

    @shop.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.publish(DatabaseRestored(subject="db"), after="1h")
        recovery.start(CacheLost(subject="cache"))
        begun.set()
        await may.wait()

    @shop.on(CacheLost)
    async def warm(lost: CacheLost) -> None:
        raise AssertionError(lost)

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(FAILED)
        await begun.wait()
        await Cancelling(errand).cancel(receipt.correlation_id, by="ada", reason="")
        may.set()
        record = await witness.closed(receipt.correlation_id, verdict="cancelled")
    assert {row.text("type") for row in rows(record, "dropped")} == {
        "database.restored",
        "cache.lost",
    }
    assert not await witness.entries("cache.lost")


async def test_an_undo_is_wanted_whatever_its_handler_wants_by_now(
    settings: Settings, witness: Witness
) -> None:
    """A condition that held when the step ran need not hold when it is undone."""
    shop, wanted, undone = Service("shop", settings=settings), [True], list[str]()

    async def unrestore(failed: DatabaseFailed) -> None:
        undone.append("restore")

    @shop.on(DatabaseFailed.where(lambda _: wanted[0]), undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        wanted[0] = False
        return DatabaseRestored(subject="db")

    @shop.on(DatabaseRestored, retry=ONCE)
    async def warm(restored: DatabaseRestored) -> None:
        raise PermanentError("no room")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id, verdict="partial")
    assert undone == ["restore"]


async def test_who_hears_of_failed_steps_does_not_hear_of_himself(
    settings: Settings, witness: Witness
) -> None:
    """A handler of `step.failed` that dies is a death like any other, and no loop."""
    shop, heard = Service("shop", settings=settings), list[str]()

    @shop.on(DatabaseFailed, retry=ONCE)
    async def restore(failed: DatabaseFailed) -> None:
        raise PermanentError("no")

    @shop.on(StepFailed, retry=ONCE)
    async def hear(failed: StepFailed) -> None:
        heard.append(failed.step)
        raise PermanentError("neither can I")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id, verdict="failed")
    assert heard == ["shop.restore"]


@pytest.mark.parametrize("large", [False, True])
async def test_an_answer_that_cannot_be_written_keeps_no_step_from_dying(
    settings: Settings, witness: Witness, *, large: bool
) -> None:
    """The step is a dead letter after its one attempt, as if nothing had been declared."""
    shop, tries = Service("shop", settings=settings), list[int]()

    def answer(failed: DatabaseFailed, error: str) -> Event:
        return Unwritable(subject="db", what="x" * 300_000 if large else object())

    @shop.on(DatabaseFailed, retry=ONCE, on_failure=answer)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        tries.append(recovery.attempt)
        raise PermanentError("no")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id, verdict="failed")
    assert tries == [1]


async def test_an_undo_that_cannot_be_read_is_named(settings: Settings, witness: Witness) -> None:
    """What a step had published may be of a type that nobody knows any more."""
    shop = Service("shop", settings=settings)

    async def unrestore(failed: DatabaseFailed) -> None:
        raise AssertionError(failed)

    @shop.on(DatabaseFailed, undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @shop.on(DatabaseRestored, retry=ONCE)
    async def warm(restored: DatabaseRestored, recovery: Recovery) -> None:
        key = witness.keys.plan(recovery.correlation_id)
        kept = await witness.client.hget(key, "undo:1")
        await witness.client.hset(key, "undo:1", kept.replace(b"database.restored", b"gone.gone"))
        raise PermanentError("no room")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert any("shop.restore: could not be undone" in r for r in record.summary.reasons)
    assert rows(record, "escalated", guard="undo")


async def test_what_held_is_not_taken_back_by_what_comes_later(
    settings: Settings, witness: Witness
) -> None:
    """A recovery that has completed stays done, whatever dies after it was reopened."""
    shop, undone = Service("shop", settings=settings), list[str]()

    async def unrestore(failed: DatabaseFailed) -> None:
        undone.append("restore")

    @shop.on(DatabaseFailed, undo=unrestore)
    async def restore(failed: DatabaseFailed) -> None: ...

    @shop.on(RecoveryCompleted)
    async def tell(completed: RecoveryCompleted) -> CacheWarmed:
        return CacheWarmed(subject="mail")

    @shop.on(CacheWarmed, retry=ONCE)
    async def mail(warmed: CacheWarmed) -> None:
        raise PermanentError("no post today")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.told(receipt.correlation_id, "died", group="shop.mail")
        await until(lambda: witness.entries("recovery.partial"))
    assert undone == []


async def test_a_timer_nobody_can_read_is_in_nobody_s_way(
    settings: Settings, witness: Witness
) -> None:
    """One of a later release, or garbage, keeps no other from its time."""
    shop, seen = Service("shop", settings=settings), list[str]()

    @shop.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.publish(CacheWarmed(subject="cache"), after="100ms")

    @shop.on(CacheWarmed)
    async def check(warmed: CacheWarmed) -> None:
        seen.append(warmed.subject)

    garbage = {'["later","",3]': 1, '["new","a","b"]': 2, "x": 3}
    await witness.client.zadd(witness.keys.timers, garbage)
    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id)
    assert seen == ["cache"]


async def test_a_lost_plan_ends_a_rollback_in_words(settings: Settings, witness: Witness) -> None:
    """What cannot be undone because nobody knows how is named, and nothing waits for it."""
    shop = Service("shop", settings=settings)

    async def unrestore(failed: DatabaseFailed) -> None:
        raise AssertionError(failed)

    @shop.on(DatabaseFailed, undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @shop.on(DatabaseRestored, retry=ONCE)
    async def warm(restored: DatabaseRestored, recovery: Recovery) -> None:
        await witness.client.delete(witness.keys.plan(recovery.correlation_id))
        raise PermanentError("no room")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert any("how to do it was lost" in reason for reason in record.summary.reasons)
    assert rows(record, "escalated", guard="undo")

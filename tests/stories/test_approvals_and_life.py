"""Approvals meet life: age, joins, children, the end, a halt; each as it should be."""

from __future__ import annotations

import asyncio

import pytest

from antiphon import Approval, Joined, PermanentError, Recovery, Retry, Service, Settings, all_of
from antiphon.broker.approvals import Approvals, Ask
from antiphon.broker.errand import Errand
from antiphon.errors import AntiphonError
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    RecoveryFailed,
    ServiceRestarted,
)
from support import until
from witness import Witness, rows, running

FAILED = DatabaseFailed(subject="db")
ONCE = Retry(attempts=1)


async def requests(errand: Errand, count: int = 1) -> tuple[Ask, ...]:
    """Wait for so many requests for approval."""

    async def found() -> tuple[Ask, ...]:
        waiting = await Approvals(errand).waiting()
        return waiting if len(waiting) >= count else ()

    return await until(found, 20)


async def test_an_approval_outlasts_the_age_of_the_failure(
    settings: Settings, witness: Witness
) -> None:
    """People have looked at it: neither the wait for them nor one after it makes it stale."""
    shop, ran = Service("shop", settings=settings), list[str]()

    @shop.on(DatabaseFailed, approval=Approval(("ana",)), max_age="3s", rate="1/1s")
    async def restore(failed: DatabaseFailed) -> None:
        ran.append(failed.subject)

    async with running(shop), Errand.begin(settings) as errand:
        receipts = [await shop.publish(DatabaseFailed(subject=s)) for s in ("a", "b")]
        asks = await requests(errand, 2)
        await asyncio.sleep(3.1)
        for ask in asks:
            await Approvals(errand).answer(ask.id, by="ana", grant=True, reason="")
        for receipt in receipts:
            await witness.closed(receipt.correlation_id)
    assert sorted(ran) == ["a", "b"]


async def test_branches_of_a_join_wait_for_one_approval(
    settings: Settings, witness: Witness
) -> None:
    """It is one step, whichever branch completes it; a branch that comes again sets no timer."""
    shop, ran = Service("shop", settings=settings), list[int]()

    @shop.on(DatabaseFailed)
    async def both(failed: DatabaseFailed) -> list[DatabaseRestored | CacheWarmed]:
        return [
            DatabaseRestored(subject="db"),
            CacheWarmed(subject="cache"),
            DatabaseRestored(subject="other"),
        ]

    @shop.on(
        all_of(DatabaseRestored, CacheWarmed), within="1h", approval=Approval(("ana",)), key=None
    )
    async def reopen(joined: Joined) -> None:
        ran.append(len(joined))

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(FAILED)
        [ask] = await requests(errand)
        await Approvals(errand).answer(ask.id, by="ana", grant=True, reason="")
        record = await witness.closed(receipt.correlation_id)
    assert ran == [2]
    assert len(rows(record, "asked")) == 1


async def test_who_asked_for_the_parent_asked_for_the_child(
    settings: Settings, witness: Witness
) -> None:
    """Four eyes see a child as well."""
    shop = Service("shop", settings=settings)

    @shop.on(DatabaseFailed)
    async def divide(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.start(CacheLost(subject="cache"))

    other = Service("other", settings=settings)

    @other.on(CacheLost, approval=Approval())
    async def warm(lost: CacheLost) -> None: ...

    async with running(shop), running(other), Errand.begin(settings) as errand:
        receipt = await Service("cleo", settings=settings).publish(FAILED)
        [ask] = await requests(errand)
        assert ask.requester == "cleo"
        with pytest.raises(AntiphonError, match="cleo asked for this recovery"):
            await Approvals(errand).answer(ask.id, by="cleo", grant=True, reason="")
        await Approvals(errand).answer(ask.id, by="ana", grant=True, reason="")
        await witness.closed(receipt.correlation_id)


async def test_what_hears_of_an_ended_recovery_can_be_approved(
    settings: Settings, witness: Witness
) -> None:
    """News comes when its recovery is over, and people can still agree to what it leads to."""
    shop, ran = Service("shop", settings=settings), list[str]()

    @shop.on(DatabaseFailed, retry=ONCE)
    async def restore(failed: DatabaseFailed) -> None:
        raise PermanentError("no")

    @shop.on(RecoveryFailed, approval=Approval(("ana",)))
    async def rebuild(failed: RecoveryFailed) -> None:
        ran.append(failed.subject)

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id, verdict="failed")
        [ask] = await requests(errand)
        await Approvals(errand).answer(ask.id, by="ana", grant=True, reason="")
        await until(lambda: ran)
    assert ran == ["db"]


async def test_a_halt_waits_for_nobody_s_approval(settings: Settings, witness: Witness) -> None:
    """A recovery that was halted ends at once, with all that waited in it."""
    strict = Settings(redis_url=settings.redis_url, cell=settings.cell, max_visits=1)
    shop = Service("shop", settings=strict)

    @shop.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed) -> list[CacheLost | ServiceRestarted]:
        return [CacheLost(subject="cache"), ServiceRestarted(subject="api")]

    @shop.on(CacheLost, approval=Approval(("ana",), within=None))
    async def warm(lost: CacheLost) -> None: ...

    @shop.on(ServiceRestarted)
    async def again(restarted: ServiceRestarted, recovery: Recovery) -> ServiceRestarted:
        await witness.told(recovery.correlation_id, "asked")
        recovery.publish(CacheWarmed(subject="cache"), after="1h")
        return ServiceRestarted(subject="api")

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id, verdict="halted")
        assert await Approvals(errand).waiting() == ()

"""What becomes of roll-backs, joins, children and approvals when people repair and replay."""

from __future__ import annotations

import pytest

from antiphon import (
    Approval,
    Joined,
    PermanentError,
    Recovery,
    Retry,
    Service,
    Settings,
    all_of,
    any_of,
)
from antiphon.broker.approvals import Approvals
from antiphon.broker.errand import Errand
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    ServiceDegraded,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
)
from repaired import Broken, replay
from support import until
from witness import Witness, changed, rows, running

ONCE = Retry(attempts=1)
FAILED = DatabaseFailed(subject="db")


def rolling_back(
    settings: Settings, broken: Broken, *, undo_broken: Broken | None = None
) -> Service:
    """Restore and warm, both of which can be undone; then restart, which may be broken."""
    shop = Service("shop", settings=settings)

    async def unrestore(failed: DatabaseFailed) -> None:
        broken.undone.append("restore")

    async def cool(restored: DatabaseRestored) -> None:
        if undo_broken:
            undo_broken.use()
        broken.undone.append("warm")

    async def stop(warmed: CacheWarmed) -> None:
        broken.undone.append("restart")

    @shop.on(DatabaseFailed, undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @shop.on(DatabaseRestored, undo=cool, retry=ONCE)
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        return CacheWarmed(subject="cache")

    @shop.on(CacheWarmed, retry=ONCE, undo=stop)
    async def restart(warmed: CacheWarmed) -> ServiceRestarted:
        broken.use()
        return ServiceRestarted(subject="api")

    @shop.on(ServiceRestarted, retry=ONCE)
    async def verify(restarted: ServiceRestarted) -> ServiceRecovered:
        raise PermanentError("it does not answer")

    return shop


async def test_after_a_roll_back_a_replay_goes_on_from_there(
    settings: Settings, witness: Witness
) -> None:
    """It goes on, stays partial, and what fails again takes back only what was done since."""
    broken = Broken()
    shop = rolling_back(settings, broken)
    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id, verdict="partial")
        assert broken.undone == ["warm", "restore"]
        broken.repaired = True
        await replay(settings, witness, "shop.restart")
        await until(lambda: len(broken.undone) == 3)
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert broken.undone == ["warm", "restore", "restart"]
    closings = await witness.entries("recovery.partial")
    assert len(closings) == 2
    assert '"undone":["shop.restart","shop.restore","shop.warm"]' in closings[1]["data"]
    assert len(rows(record, "undo")) == 3


async def test_an_undo_can_be_replayed(settings: Settings, witness: Witness) -> None:
    """What could not be undone is undone after all, and is no reason any more."""
    undo_broken, broken = Broken(), Broken()
    shop = rolling_back(settings, broken, undo_broken=undo_broken)
    async with running(shop):
        receipt = await shop.publish(FAILED)
        record = await witness.closed(receipt.correlation_id, verdict="partial")
        assert any("could not be undone" in reason for reason in record.summary.reasons)
        assert broken.undone == ["restore"]
        undo_broken.repaired = True
        await replay(settings, witness, "shop.warm")
        await until(lambda: len(broken.undone) == 2)
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert not any("could not be undone" in reason for reason in record.summary.reasons)


@pytest.mark.parametrize("partial", ["accept", "escalate", "roll-back"])
async def test_a_partial_recovery_comes_to_what_the_setting_says(
    settings: Settings, witness: Witness, partial: str
) -> None:
    """Left as it is, told to people, or rolled back; a type may have a setting of its own."""
    broken = Broken()
    terms = {"database.failed": {"partial": partial}}
    shop = rolling_back(changed(settings, partial="accept", recoveries=terms), broken)
    async with running(shop):
        receipt = await shop.publish(FAILED)
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert broken.undone == (["warm", "restore"] if partial == "roll-back" else [])
    assert len(rows(record, "escalated", guard="verdict")) == (partial == "escalate")
    [closing] = await witness.entries("recovery.partial")
    assert ("took effect, and this did not" in closing["data"]) == (partial != "roll-back")


async def test_a_halted_recovery_is_rolled_back_whatever_the_setting(
    settings: Settings, witness: Witness
) -> None:
    """It was stopped in the middle."""
    strict, broken = changed(settings, partial="accept", max_hops=1), Broken()
    shop = rolling_back(strict, broken)
    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id, verdict="halted")
    assert broken.undone == ["warm", "restore"]


async def test_a_child_that_nobody_hears_of_counts(settings: Settings, witness: Witness) -> None:
    """Its failure is the parent's, and after a replay the parent is not told again."""
    shop, broken, children = Service("shop", settings=settings), Broken(), list[str]()

    @shop.on(ServiceDegraded)
    async def part(degraded: ServiceDegraded, recovery: Recovery) -> None:
        children.append(recovery.start(CacheLost(subject="cache")))

    @shop.on(CacheLost, retry=ONCE)
    async def fill(lost: CacheLost) -> CacheWarmed:
        broken.use()
        return CacheWarmed(subject="cache")

    async with running(shop):
        receipt = await shop.publish(ServiceDegraded(subject="shop"))
        record = await witness.closed(receipt.correlation_id, verdict="partial")
        assert any("ended as failed" in reason for reason in record.summary.reasons)
        broken.repaired = True
        await replay(settings, witness, "shop.fill")
        await witness.told(children[0], "completed", group="shop.fill")
        await witness.closed(children[0])
    assert len(await witness.entries("child.closed")) == 1


async def test_a_join_that_timed_out_does_not_fire_after_a_replay(
    settings: Settings, witness: Witness
) -> None:
    """The branch that comes after all is late."""
    shop, broken = Service("shop", settings=settings), Broken()

    @shop.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @shop.on(ServiceFailed, retry=ONCE)
    async def warm(failed: ServiceFailed) -> CacheWarmed:
        broken.use()
        return CacheWarmed(subject="cache")

    @shop.on(all_of(DatabaseRestored, CacheWarmed), within="200ms")
    async def reopen(joined: Joined) -> None:
        raise AssertionError(joined)

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="shop"))
        await witness.closed(receipt.correlation_id, verdict="partial")
        broken.repaired = True
        await replay(settings, witness, "shop.warm")
        await witness.told(receipt.correlation_id, "late", group="shop.reopen")
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert len(rows(record, "timed_out")) == 1


async def test_a_race_is_won_once(settings: Settings, witness: Witness) -> None:
    """However often the handler of the join is tried again."""
    shop = Service("shop", settings=settings)

    @shop.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @shop.on(any_of(DatabaseRestored, CacheWarmed), retry=Retry(attempts=3, first="10ms"))
    async def reopen(joined: Joined, recovery: Recovery) -> None:
        if recovery.attempt < 3:
            raise ConnectionError("not yet")

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="shop"))
        record = await witness.closed(receipt.correlation_id)
    assert len(rows(record, "started", group="shop.reopen")) == 3
    assert len(rows(record, "won")) == 1


async def test_a_replay_is_asked_again_and_a_retry_is_not(
    settings: Settings, witness: Witness
) -> None:
    """People agreed to a delivery, with all its attempts; a replayed one is another."""
    shop, broken, tries = Service("shop", settings=settings), Broken(), list[int]()

    @shop.on(
        DatabaseFailed, retry=Retry(attempts=2, first="10ms"), approval=Approval(("ana", "ben"))
    )
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        tries.append(recovery.attempt)
        if not broken.repaired:
            raise ConnectionError("the backup is away")

    async with running(shop), Errand.begin(settings) as errand:

        async def approve() -> None:
            [ask] = await until(Approvals(errand).waiting, 30)
            await Approvals(errand).answer(ask.id, by="ana", grant=True, reason="")

        receipt = await shop.publish(FAILED)
        await approve()
        await witness.closed(receipt.correlation_id, verdict="failed")
        assert tries == [1, 2]
        broken.repaired = True
        await replay(settings, witness, "shop.restore")
        await approve()
        record = await witness.closed(receipt.correlation_id)
    assert len(rows(record, "asked")) == len(rows(record, "approved")) == 2

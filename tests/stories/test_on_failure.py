"""Branches of steps that are given up: who takes them, and when they answer for nothing."""

from __future__ import annotations

import pytest

from antiphon import Approval, PermanentError, Retry, Service, Settings
from antiphon.broker.approvals import Approvals
from antiphon.broker.errand import Errand
from antiphon_events import (
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    Event,
    Failure,
    StepFailed,
)
from repaired import Broken, replay
from support import until
from witness import Witness, rows, running

ONCE = Retry(attempts=1)
FAILED = DatabaseFailed(subject="db")


class RestoreFailed(Failure):
    """The restore was given up."""

    type = "restore.failed"


class WayBlocked(Failure):
    """The first way is blocked."""

    type = "way.blocked"


class SpareNeeded(Event):
    """A spare part is needed."""

    type = "spare.needed"


async def test_a_step_that_is_given_up_branches(settings: Settings, witness: Witness) -> None:
    """`on_failure` makes of a death a branch: its handlers decide the verdict."""
    shop, failed_steps = Service("shop", settings=settings), list[StepFailed]()

    @shop.on(DatabaseFailed, retry=ONCE, on_failure=RestoreFailed)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        raise PermanentError("the backup is corrupt")

    @shop.on(RestoreFailed)
    async def promote(failed: RestoreFailed) -> DatabaseRestored:
        assert failed.reason == "PermanentError: the backup is corrupt"
        return DatabaseRestored(subject=failed.subject)

    @shop.on(StepFailed)
    async def hear(failed: StepFailed) -> None:
        failed_steps.append(failed)

    async with running(shop):
        receipt = await shop.publish(DatabaseFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id)

    assert len(rows(record, "died", group="shop.restore")) == 1
    assert len(await witness.dead_letters()) == 1
    [step] = failed_steps
    assert (step.step, step.event_type, step.attempts) == ("shop.restore", "database.failed", 1)


@pytest.mark.parametrize("answer", [WayBlocked, SpareNeeded])
async def test_a_branch_that_nobody_takes_is_a_loss(
    settings: Settings, witness: Witness, answer: type[Event]
) -> None:
    """A death is answered for by those who react, and not by an event alone."""
    shop = Service("shop", settings=settings)

    def instead(failed: DatabaseFailed, error: str) -> Event:
        return answer(subject=failed.subject)

    @shop.on(DatabaseFailed, retry=ONCE, on_failure=instead)
    async def restore(failed: DatabaseFailed) -> None:
        raise PermanentError("no backup")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert len(rows(record, "published", type=answer.type)) == 1
    assert record.summary.reasons


async def test_a_death_answered_by_what_nobody_hears_is_a_death(
    settings: Settings, witness: Witness
) -> None:
    """An event that is no failure and that nobody reacts to answers for nothing."""
    shop = Service("shop", settings=settings)

    def told(failed: DatabaseFailed, error: str) -> CacheWarmed:
        return CacheWarmed(subject="cache")

    @shop.on(DatabaseFailed, retry=ONCE, on_failure=told)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        raise PermanentError("the backup is corrupt")

    async with running(shop):
        receipt = await shop.publish(DatabaseFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert any("shop.restore: died" in reason for reason in record.summary.reasons)


async def test_a_branch_that_cannot_be_made_is_a_loss(settings: Settings, witness: Witness) -> None:
    """An `on_failure` that raises keeps nothing from dying."""
    shop = Service("shop", settings=settings)

    def instead(failed: DatabaseFailed, error: str) -> Event:
        raise LookupError(error)

    @shop.on(DatabaseFailed, retry=ONCE, on_failure=instead)
    async def restore(failed: DatabaseFailed) -> None:
        raise PermanentError("no backup")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert record.summary.dead == 1
    assert len(await witness.dead_letters()) == 1


async def test_a_first_way_that_is_repaired_is_gone_as_well(
    settings: Settings, witness: Witness
) -> None:
    """The dead letter behind a branch can be replayed: what follows it runs once more."""
    shop, broken, ways = Service("shop", settings=settings), Broken(), list[str]()

    @shop.on(DatabaseFailed, retry=ONCE, on_failure=WayBlocked)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        broken.use()
        return DatabaseRestored(subject="db", backup="monday")

    @shop.on(WayBlocked)
    async def promote(blocked: WayBlocked) -> DatabaseRestored:
        return DatabaseRestored(subject="db", backup="replica")

    @shop.on(DatabaseRestored)
    async def go_on(restored: DatabaseRestored) -> None:
        ways.append(restored.backup or "")

    async with running(shop):
        receipt = await shop.publish(FAILED)
        await witness.closed(receipt.correlation_id)
        assert ways == ["replica"]
        broken.repaired = True
        await replay(settings, witness, "shop.restore")
        await until(lambda: len(ways) == 2)
        record = await witness.closed(receipt.correlation_id)
    assert ways == ["replica", "monday"]
    assert record.summary.closes == 2


async def test_a_denied_step_does_not_branch(settings: Settings, witness: Witness) -> None:
    """Nobody gave it up: people did not want it."""
    shop, asked = Service("shop", settings=settings), Approval(("ana",))

    @shop.on(DatabaseFailed, on_failure=WayBlocked, approval=asked)
    async def restore(failed: DatabaseFailed) -> None:
        raise AssertionError(failed)

    @shop.on(WayBlocked)
    async def promote(blocked: WayBlocked) -> None:
        raise AssertionError(blocked)

    async with running(shop), Errand.begin(settings) as errand:
        receipt = await shop.publish(FAILED)
        await witness.told(receipt.correlation_id, "asked")
        [ask] = await Approvals(errand).waiting()
        await Approvals(errand).answer(ask.id, by="ana", grant=False, reason="not now")
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert rows(record, "suppressed", guard="approval")
    assert await witness.entries("way.blocked") == []

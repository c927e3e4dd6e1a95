"""What race.lua promises: what a join does not need any more is not begun, where that is asked."""

from __future__ import annotations

import pytest

from antiphon import any_of, n_of
from antiphon.broker.replies import Committed, Duplicate, Outrun, Refused, Run
from antiphon.flow.join import branch_name
from antiphon.handler import Handler
from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    RecoveryPartial,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
)
from flowing import FlowCell
from scripted import ALICE, BOB, HOUR_MS, Sent, handler

FAILED = ServiceFailed(subject="db")
RESTORED, WARMED = DatabaseRestored(subject="db"), CacheWarmed(subject="db")
RESTORE = handler(ServiceFailed, name="orders.restore", brings=DatabaseRestored)
BOTHER = handler(
    ServiceFailed,
    name="orders.bother",
    brings=DatabaseRestored | ServiceRecovered,  # type: ignore[arg-type]
)
PLAIN = handler(ServiceFailed, name="orders.plain")
FIRST = handler(
    any_of(DatabaseRestored.about("db"), CacheWarmed, losers="cancel"), name="web.first"
)
WON = branch_name(FIRST.selectors[1])


async def won(flow: FlowCell, *handlers: Handler) -> Sent:
    """The cache has won; the join is being run."""
    await flow.deploy(FIRST, *handlers)
    sent = await flow.publish(FAILED)
    await flow.publish(WARMED, correlation_id=sent.correlation_id)
    await flow.lease(await flow.read_one(FIRST))
    return sent


async def test_the_winner_is_named_once(flow: FlowCell) -> None:
    """However often the join is tried."""
    await flow.deploy(RESTORE, FIRST)
    sent = await flow.publish(FAILED)
    await flow.publish(WARMED, correlation_id=sent.correlation_id)
    await flow.postpone(await flow.lease(await flow.read_one(FIRST)))
    (due,) = await flow.due(FIRST, ALICE)
    await flow.lease(due)
    (row,) = await flow.ledger(sent, "won")
    assert (row["group"], row["branch"], row["losers"]) == (FIRST.group, WON, "cancel")


async def test_a_loser_is_not_begun(flow: FlowCell) -> None:
    """It ends without blame, and says who was faster."""
    sent = await won(flow, RESTORE)
    d = await flow.read_one(RESTORE)
    assert await flow.admit(d) == Outrun(by=FIRST.group, verdict="")
    (row,) = await flow.ledger(sent, "outrun")
    assert (row["group"], row["by"], row["entry"]) == (RESTORE.group, FIRST.group, d.entry_id)
    assert d.name not in await flow.outstanding(sent)
    assert (await flow.client.xpending(d.stream, RESTORE.group))["pending"] == 0
    (joined,) = await flow.claim(FIRST, BOB)
    reply = await flow.commit(await flow.lease(joined, BOB), by=BOB)
    assert reply == Committed(verdict="completed")


async def test_the_last_loser_closes_the_recovery(flow: FlowCell) -> None:
    """Nothing of it is outstanding any more."""
    sent = await won(flow, RESTORE)
    (joined,) = await flow.claim(FIRST, BOB)
    await flow.commit(await flow.lease(joined, BOB), by=BOB)
    reply = await flow.admit(await flow.read_one(RESTORE))
    assert reply == Outrun(by=FIRST.group, verdict="completed")
    assert (await flow.summary(sent))["status"] == "closed"


async def test_a_loser_is_not_tried_again(flow: FlowCell) -> None:
    """One that runs goes on; its next attempt is not begun, and its key is free."""
    await flow.deploy(FIRST, RESTORE)
    sent = await flow.publish(FAILED)
    lease = await flow.take(RESTORE)
    await flow.publish(WARMED, correlation_id=sent.correlation_id)
    await flow.lease(await flow.read_one(FIRST))
    await flow.postpone(lease, HOUR_MS)
    await flow.client.zadd(flow.keys.due(RESTORE.group), {f"service.failed|{sent.entry_id}": 0})
    (due,) = await flow.due(RESTORE, BOB)
    reply = await flow.admit(due, BOB)
    assert isinstance(reply, Outrun)
    assert reply.attempts == 1
    assert not await flow.client.exists(flow.keys.idempotency(RESTORE.group, due.key))
    assert await flow.commit(lease) == Refused()


@pytest.mark.parametrize("step", [BOTHER, PLAIN], ids=["more", "nothing"])
async def test_a_step_that_is_still_needed_runs(flow: FlowCell, step: Handler) -> None:
    """One that brings something else as well, and one that does not say what it brings."""
    await won(flow, step)
    assert isinstance(await flow.admit(await flow.read_one(step)), Run)


async def test_a_branch_about_another_subject_outruns_nobody(flow: FlowCell) -> None:
    """The branch that lost is about `db`."""
    other = handler(ServiceRestarted, name="orders.other", brings=DatabaseRestored)
    sent = await won(flow, RESTORE, other)
    event = ServiceRestarted(subject="elsewhere")
    await flow.publish(event, correlation_id=sent.correlation_id)
    assert isinstance(await flow.admit(await flow.read_one(other)), Run)
    assert isinstance(await flow.admit(await flow.read_one(RESTORE)), Outrun)


async def test_losers_that_are_ignored_go_on(flow: FlowCell) -> None:
    """What they bring is a duplicate."""
    either = handler(any_of(DatabaseRestored, CacheWarmed), name="web.either")
    await flow.deploy(either, RESTORE)
    sent = await flow.publish(FAILED)
    await flow.publish(WARMED, correlation_id=sent.correlation_id)
    await flow.commit(await flow.lease(await flow.read_one(either)))
    assert (await flow.ledger(sent, "won"))[0]["losers"] == "ignore"
    lease = await flow.take(RESTORE)
    await flow.commit(lease, RESTORED)
    assert isinstance(await flow.admit(await flow.read_one(either)), Duplicate)
    assert "outran" not in await flow.summary(sent)


async def test_a_join_of_all_has_no_winner(flow: FlowCell) -> None:
    """Nothing lost."""
    both = handler(n_of(2, DatabaseRestored, CacheWarmed, losers="cancel"), name="web.both")
    await flow.deploy(both, RESTORE)
    sent = await flow.publish(FAILED)
    for event in (WARMED, RESTORED):
        await flow.publish(event, correlation_id=sent.correlation_id)
    for d in await flow.read(both):
        await flow.admit(d)
    assert await flow.ledger(sent, "won") == []


async def test_two_of_three_cancel_the_third(flow: FlowCell) -> None:
    """What has arrived is not outrun, even if it comes again."""
    two = handler(
        n_of(2, DatabaseRestored, CacheWarmed, ServiceRestarted, losers="cancel"), name="web.two"
    )
    warm = handler(ServiceFailed, name="cache.warm", brings=CacheWarmed)
    await flow.deploy(two, RESTORE, warm)
    sent = await flow.publish(FAILED)
    for event in (WARMED, ServiceRestarted(subject="db")):
        await flow.publish(event, correlation_id=sent.correlation_id)
    for d in await flow.read(two):
        await flow.admit(d)
    assert isinstance(await flow.admit(await flow.read_one(warm)), Run)
    assert isinstance(await flow.admit(await flow.read_one(RESTORE)), Outrun)


async def test_a_person_may_run_a_loser(flow: FlowCell) -> None:
    """A replay is a wish, whoever has won."""
    await flow.deploy(FIRST, RESTORE)
    sent = await flow.publish(FAILED)
    await flow.bury(await flow.take(RESTORE))
    await flow.publish(WARMED, correlation_id=sent.correlation_id)
    await flow.lease(await flow.read_one(FIRST))
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    (due,) = await flow.due(RESTORE, ALICE)
    assert isinstance(await flow.admit(due), Run)


async def test_news_is_no_loser(flow: FlowCell) -> None:
    """Who hears how it ended before runs, whatever it brings, and whoever has won."""
    told = handler(RecoveryPartial, name="pager.react", brings=DatabaseRestored)
    await flow.deploy(FIRST, PLAIN, told)
    sent = await flow.publish(FAILED)
    await flow.publish(RecoveryPartial(subject="db"), correlation_id=sent.correlation_id)
    await flow.publish(WARMED, correlation_id=sent.correlation_id)
    await flow.lease(await flow.read_one(FIRST))
    assert isinstance(await flow.admit(await flow.read_one(told)), Run)

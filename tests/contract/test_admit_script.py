"""What admit.lua and pass.lua promise: who may run a delivery, and when nobody may."""

from __future__ import annotations

import pytest

from antiphon.broker.replies import Closed, Duplicate, NotOurs, Refused, Run, Waiting, said
from antiphon_events import ServiceFailed
from scripted import ALICE, BOB, ScriptedCell, handler
from snapshots import changed, snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")
BY_SUBJECT = handler(ServiceFailed, name="orders.once", key="{subject}")


async def test_a_delivery_is_admitted_with_a_lease(work: ScriptedCell) -> None:
    """The attempt is counted, a fencing token is drawn, and the ledger says who began."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    delivery = await work.read_one(RESTORE)
    assert await work.admit(delivery) == Run(
        token=1, attempt=1, failures=0, previous="", branches={}
    )
    (started,) = await work.ledger(sent, "started")
    assert started["group"] == RESTORE.group
    assert (started["consumer"], started["attempt"], started["token"]) == (ALICE, "1", "1")
    assert (started["entry"], started["from"]) == (sent.entry_id, "")
    key = work.keys.idempotency(RESTORE.group, sent.envelope.id)
    assert 0 < await work.client.pttl(key) <= work.settings.key_retention.total_seconds() * 1000


async def test_admitting_again_counts_once(work: ScriptedCell) -> None:
    """A call whose reply was lost is repeated: same token, same attempt, nothing written."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    delivery = await work.read_one(RESTORE)
    first = await work.admit(delivery, owner="alice#1")
    before = await snapshot(work.client, work.keys)
    assert await work.admit(delivery, owner="alice#1") == first
    assert await snapshot(work.client, work.keys) == before


async def test_every_attempt_draws_a_larger_token(work: ScriptedCell) -> None:
    """A token of the cell is never given out twice, so a target can tell old from new."""
    await work.deploy(RESTORE)
    tokens = []
    for _ in range(3):
        await work.publish(FAILED)
        tokens.append((await work.take(RESTORE)).token)
    assert tokens == sorted(set(tokens))


async def test_a_delivery_of_another_consumer_is_not_ours(work: ScriptedCell) -> None:
    """It was claimed by Bob, was settled, or was never read: nothing is written."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    delivery = await work.read_one(RESTORE)
    await work.claim(RESTORE, BOB)
    before = await snapshot(work.client, work.keys)
    assert await work.admit(delivery) == NotOurs()
    assert await work.skip(delivery) == [2, b"", 0]
    assert await snapshot(work.client, work.keys) == before

    lease = await work.lease(delivery, BOB)
    await work.commit(lease, by=BOB)
    before = await snapshot(work.client, work.keys)
    assert await work.admit(delivery, BOB) == NotOurs()
    assert await work.skip(delivery, BOB) == [2, b"", 0]
    assert await snapshot(work.client, work.keys) == before


async def test_a_delivery_taken_over_names_who_fell_silent(work: ScriptedCell) -> None:
    """The next attempt has a larger token, and no failure was counted for the lost one."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    await work.take(RESTORE)
    (delivery,) = await work.claim(RESTORE, BOB)
    assert await work.admit(delivery, BOB) == Run(
        token=2, attempt=2, failures=0, previous=ALICE, branches={}
    )
    started = await work.ledger(sent, "started")
    assert [row["from"] for row in started] == ["", ALICE]


async def test_a_delivery_of_a_closed_recovery_is_acknowledged(work: ScriptedCell) -> None:
    """A group that begins at the first entry does not begin old recoveries again."""
    late = handler(ServiceFailed, name="pager.page")
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    await work.deploy(late, lost=True)
    for settle in (work.admit, work.skip):
        delivery = await work.read_one(late)
        before = await snapshot(work.client, work.keys)
        assert await settle(delivery) in (Closed(), [1, b"", 0])
        stream = work.keys.events("service.failed")
        assert changed(before, await snapshot(work.client, work.keys)) == {stream}
        assert (await work.client.xpending(stream, late.group))["pending"] == 0
        await work.client.xgroup_setid(stream, late.group, "0")


async def test_a_late_handler_joins_what_is_still_open(work: ScriptedCell) -> None:
    """Its work is waited for like that of those who were there from the beginning."""
    late = handler(ServiceFailed, name="pager.page")
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    await work.deploy(late)
    lease = await work.take(late)
    assert await work.outstanding(sent) == sent.owed(RESTORE, late)
    await work.commit(await work.take(RESTORE))
    assert (await work.summary(sent))["status"] == "open"
    await work.commit(lease)
    assert (await work.summary(sent))["verdict"] == "completed"
    assert (await work.summary(sent))["done"] == "2"


@pytest.mark.parametrize("way", ["publish", "xadd"])
async def test_a_late_handler_answers_a_root_nobody_heard(work: ScriptedCell, way: str) -> None:
    """Once it begins, its own work takes the place of the question mark."""
    other = handler(ServiceFailed.about("billing-db"), name="billing.restore")
    await work.deploy(other)
    sent = await getattr(work, way)(FAILED)
    await work.skip(await work.read_one(other))
    assert await work.outstanding(sent) == {f"service.failed|{sent.entry_id}|?"}

    await work.deploy(RESTORE)
    lease = await work.take(RESTORE)
    assert await work.outstanding(sent) == sent.owed(RESTORE)
    await work.commit(lease)
    assert (await work.summary(sent))["verdict"] == "completed"


async def test_passing_over_an_unheard_root_answers_nothing(work: ScriptedCell) -> None:
    """A handler of other subjects reads the same stream; the root still waits for its own."""
    other = handler(ServiceFailed.about("billing-db"), name="billing.restore")
    sent = await work.publish(FAILED)
    await work.deploy(other)
    assert await work.skip(await work.read_one(other)) == [1, b"", 0]
    assert await work.outstanding(sent) == {f"service.failed|{sent.entry_id}|?"}


async def test_the_same_effect_is_not_done_twice(work: ScriptedCell) -> None:
    """A delivery whose key is done is acknowledged, and its recovery closes with it."""
    await work.deploy(BY_SUBJECT)
    first, second = await work.publish(FAILED), await work.publish(FAILED)
    one, two = await work.read(BY_SUBJECT)
    await work.commit(await work.lease(one))
    (done_by,) = first.owed(BY_SUBJECT)
    assert await work.admit(two) == Duplicate(of=done_by, verdict="completed")
    assert not await work.outstanding(second)
    (row,) = await work.ledger(second, "duplicate")
    assert (row["entry"], row["of"]) == (second.entry_id, done_by)
    assert await work.admit(two) == NotOurs()


async def test_an_effect_under_way_is_waited_for(work: ScriptedCell) -> None:
    """A delivery whose key another holds looks again later, and holds its recovery open."""
    await work.deploy(BY_SUBJECT)
    first, second = await work.publish(FAILED), await work.publish(FAILED)
    one, two = await work.read(BY_SUBJECT)
    lease = await work.lease(one)
    (held_by,) = first.owed(BY_SUBJECT)
    seconds, _ = await work.client.time()
    reply = await work.admit(two)
    assert isinstance(reply, Waiting)
    assert reply.of == held_by
    lease_ms = work.settings.lease.total_seconds() * 1000
    assert abs(reply.due_ms - seconds * 1000 - lease_ms) < 5000
    assert isinstance(await work.admit(two), Waiting), "looking again says nothing new"
    assert len(await work.ledger(second, "waiting")) == 1
    assert await work.outstanding(second) == second.owed(BY_SUBJECT)
    assert await work.due(BY_SUBJECT) == []
    assert [d.entry_id for d in await work.claim(BY_SUBJECT)] == [first.entry_id]
    (row,) = await work.ledger(second, "waiting")
    assert (row["of"], row["due"]) == (held_by, str(reply.due_ms))

    lease = await work.lease(one, BOB)
    await work.commit(lease, by=BOB)
    due = work.keys.due(BY_SUBJECT.group)
    await work.client.zadd(due, {f"service.failed|{second.entry_id}": 0})
    (again,) = await work.due(BY_SUBJECT)
    assert await work.admit(again, BOB) == Duplicate(of=held_by, verdict="completed")
    assert not await work.client.exists(due)


@pytest.mark.parametrize(
    ("end", "woken"), [("commit", True), ("bury", True), ("postpone", False), ("release", False)]
)
async def test_the_end_of_an_effect_wakes_those_that_wait_for_it(
    work: ScriptedCell, end: str, *, woken: bool
) -> None:
    """They look again at once, not after a lease; one that is over by then is not woken."""
    await work.deploy(BY_SUBJECT)
    first, over = await work.publish(FAILED), await work.publish(FAILED)
    waiting = await work.publish(FAILED)
    one, two, three = await work.read(BY_SUBJECT)
    lease = await work.lease(one)
    assert isinstance(await work.admit(two), Waiting)
    assert isinstance(await work.admit(three), Waiting)
    await work.skip(two)
    assert (await work.summary(over))["status"] == "closed"
    assert await getattr(work, end)(lease) != Refused()
    due = [d.entry_id for d in await work.due(BY_SUBJECT)]
    assert (waiting.entry_id in due) == woken
    assert over.entry_id not in due
    assert (first.entry_id in due) == (end in {"postpone", "release"})


async def test_a_postponed_effect_is_still_held(work: ScriptedCell) -> None:
    """Between two attempts of one delivery no other delivery of the same key may begin."""
    await work.deploy(BY_SUBJECT)
    first = await work.publish(FAILED)
    await work.publish(FAILED)
    one, two = await work.read(BY_SUBJECT)
    await work.postpone(await work.lease(one), 60_000)
    reply = await work.admit(two)
    assert isinstance(reply, Waiting)
    assert {reply.of} == first.owed(BY_SUBJECT)


async def test_an_effect_that_died_may_be_tried_by_another_delivery(work: ScriptedCell) -> None:
    """A dead letter settles its own delivery, not the effect; attempts are counted afresh."""
    await work.deploy(BY_SUBJECT)
    await work.publish(FAILED)
    await work.publish(FAILED)
    one, two = await work.read(BY_SUBJECT)
    await work.bury(await work.lease(one))
    reply = await work.admit(two)
    assert isinstance(reply, Run)
    assert (reply.attempt, reply.failures, reply.previous) == (1, 0, "")


@pytest.mark.parametrize("end", ["commit", "bury"])
async def test_a_group_that_begins_again_repeats_nothing(work: ScriptedCell, end: str) -> None:
    """What a lost group had settled in an open recovery is acknowledged, and stays as it was."""
    page = handler(ServiceFailed, name="pager.page")
    await work.deploy(RESTORE, page)
    sent = await work.publish(FAILED)
    settle = work.commit if end == "commit" else work.bury
    await settle(await work.take(RESTORE))
    rows, summary = await work.ledger(sent), await work.summary(sent)
    stream = work.keys.events("service.failed")
    await work.client.xgroup_destroy(stream, RESTORE.group)
    await work.deploy(RESTORE, lost=True)

    (itself,) = sent.owed(RESTORE)
    reply = await work.admit(await work.read_one(RESTORE))
    assert reply == Duplicate(of=itself, verdict="")
    assert await work.ledger(sent) == rows
    assert await work.summary(sent) == summary
    assert await work.outstanding(sent) == sent.owed(page)
    assert (await work.client.xpending(stream, RESTORE.group))["pending"] == 0


@pytest.mark.parametrize("way", ["publish", "xadd"])
async def test_an_unwanted_delivery_is_passed_over(work: ScriptedCell, way: str) -> None:
    """It is acknowledged and no longer waited for, and the ledger says so."""
    picky = handler(ServiceFailed.where(lambda _: False), name="pager.never")
    await work.deploy(RESTORE, picky)
    sent = await getattr(work, way)(FAILED)
    delivery = await work.read_one(picky)
    assert not delivery.wanted
    assert await work.skip(delivery) == [1, b"", 1]
    assert await work.outstanding(sent) == sent.owed(RESTORE)
    (skipped,) = await work.ledger(sent, "skipped")
    assert (skipped["group"], skipped["entry"]) == (picky.group, sent.entry_id)


async def test_passing_over_the_last_work_closes_the_recovery(work: ScriptedCell) -> None:
    """The verdict is told to who passed it over: nobody did anything about the failure."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    settled, closing, awaited = await work.skip(await work.read_one(RESTORE))
    assert (settled, said(closing), awaited) == (1, "failed", 1)

"""What postpone.lua, bury.lua, progress.lua and renew.lua promise to who holds a lease."""

from __future__ import annotations

import pytest

from antiphon.broker.replies import Committed, Run
from antiphon.outcome import crashed_too_often
from antiphon_events import DatabaseRestored, ServiceFailed
from scripted import ALICE, BOB, HOUR_MS, ScriptedCell, handler
from snapshots import changed, snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")


async def test_a_failed_step_waits_for_its_next_attempt(work: ScriptedCell) -> None:
    """Its entry stays pending and outstanding; nobody claims it before it is due."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    seconds, micros = await work.client.time()
    reply = await work.postpone(lease, HOUR_MS)
    assert isinstance(reply, Committed)
    due_ms = int(reply.detail[0])
    assert 0 <= due_ms - HOUR_MS - seconds * 1000 - micros // 1000 < 5000
    member = f"service.failed|{sent.entry_id}"
    assert await work.client.zscore(work.keys.due(RESTORE.group), member) == due_ms
    assert await work.outstanding(sent) == sent.owed(RESTORE)
    (row,) = await work.ledger(sent, "retried")
    assert (row["error"], row["due"], row["attempt"]) == ("Broken: it broke", str(due_ms), "1")
    assert await work.claims().ready([work.keys.due(RESTORE.group)]) == []
    assert await work.due(RESTORE) == []
    assert await work.claim(RESTORE) == []


async def test_a_step_that_is_due_is_taken_up_by_any_worker(work: ScriptedCell) -> None:
    """The failure was counted, and so is the next attempt; the last holder did not fall silent."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    await work.postpone(await work.take(RESTORE))
    other = work.keys.due("nobody.at-all")
    assert await work.claims().ready([other, work.keys.due(RESTORE.group)]) == [1]
    (delivery,) = await work.due(RESTORE, BOB)
    assert delivery.event is not None
    assert await work.admit(delivery, BOB) == Run(
        token=2, attempt=2, failures=1, previous="", branches={}
    )
    assert await work.due(RESTORE, BOB) == []


async def test_a_step_handed_back_spends_no_attempt(work: ScriptedCell) -> None:
    """A worker that stops is not a failure and not a crash, however often workers stop."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    for _ in range(6):
        assert isinstance(await work.release(lease), Committed)
        (delivery,) = await work.due(RESTORE, ALICE)
        lease = await work.lease(delivery)
        assert (lease.attempt, lease.failures) == (1, 0)
        assert not crashed_too_often(attempt=lease.attempt, failures=lease.failures)
    assert len(await work.ledger(sent, "released")) == 6
    assert lease.token == 7


@pytest.mark.parametrize("settle", ["postpone", "release", "bury"])
async def test_settling_again_writes_nothing(work: ScriptedCell, settle: str) -> None:
    """A call whose reply was lost is repeated, and has happened once."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    lease = await work.take(RESTORE)
    assert (await getattr(work, settle)(lease)) != Committed()
    before = await snapshot(work.client, work.keys)
    assert await getattr(work, settle)(lease) == Committed()
    assert await snapshot(work.client, work.keys) == before


async def test_a_step_that_died_becomes_a_dead_letter(work: ScriptedCell) -> None:
    """Its fields as they were, and why, when and where it died; the delivery is settled."""
    await work.deploy(RESTORE)
    sent = await work.xadd(FAILED, note="from a shell", deadgroup="somebody.else")
    lease = await work.take(RESTORE)
    reply = await work.bury(lease)
    assert isinstance(reply, Committed)
    (letter,) = await work.letters()
    assert reply == Committed(detail=(letter.id,), verdict="failed")
    assert (letter.group, letter.label, letter.entry) == (
        RESTORE.group,
        "service.failed",
        sent.entry_id,
    )
    assert (letter.event, letter.correlation_id) == (sent.envelope.id, sent.correlation_id)
    assert (letter.attempts, letter.error, letter.omitted) == (1, "Broken: it broke", 0)
    assert letter.original["note"] == "from a shell"
    assert letter.original["data"] == '{"reason":""}'

    assert await work.outstanding(sent) == set()
    stream = work.keys.events("service.failed")
    assert (await work.client.xpending(stream, RESTORE.group))["pending"] == 0
    summary = await work.summary(sent)
    assert summary["dead"] == "1"
    assert summary[f"!{RESTORE.group}:{sent.envelope.id}"] == (
        f"{RESTORE.group}: died after 1 attempts"
    )
    (died,) = await work.ledger(sent, "died")
    assert (died["dead"], died["error"]) == (letter.id, "Broken: it broke")


@pytest.mark.parametrize(("pairs", "kept"), [(2998, 6000), (2999, 6000), (5000, 6000)])
async def test_a_dead_letter_of_any_size_can_be_written(
    work: ScriptedCell, pairs: int, kept: int
) -> None:
    """What does not fit is counted, and no entry is too large to be given up."""
    await work.deploy(RESTORE)
    sent = await work.xadd(FAILED, **{f"x{i}": "y" for i in range(pairs)})
    await work.bury(await work.take(RESTORE))
    (letter,) = await work.letters()
    values = 2 * (pairs + 2)
    assert letter.omitted == values - min(values, kept)
    assert len(letter.fields) == min(values, kept) // 2
    assert (await work.summary(sent))["verdict"] == "failed"


async def test_an_entry_that_is_gone_can_still_be_given_up(work: ScriptedCell) -> None:
    """The dead letter then says what was lost, and holds no fields."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    await work.client.xdel(work.keys.events("service.failed"), sent.entry_id)
    assert isinstance(await work.bury(lease), Committed)
    (letter,) = await work.letters()
    assert letter.flaw
    assert letter.entry == sent.entry_id


async def test_progress_is_noted_while_the_step_is_held(work: ScriptedCell) -> None:
    """Who lost the delivery, or settled it, is told so and notes no progress."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    report = work.calls(ALICE).progress(lease, 0.25, "copying")
    assert await work.run(report) == [1]
    (row,) = await work.ledger(sent, "progress")
    assert (row["fraction"], row["message"], row["group"]) == ("0.25", "copying", RESTORE.group)

    (delivery,) = await work.claim(RESTORE, BOB)
    assert await work.run(report) == [2]
    taken_over = await work.lease(delivery, BOB)
    await work.commit(taken_over, by=BOB)
    before = await snapshot(work.client, work.keys)
    assert await work.run(work.calls(BOB).progress(taken_over, 1, "done")) == [3]
    assert await snapshot(work.client, work.keys) == before
    assert len(await work.ledger(sent, "progress")) == 1


async def test_renewing_keeps_a_delivery_from_being_claimed(work: ScriptedCell) -> None:
    """Its idle time begins again; that is no delivery, and is not counted as one."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    stream = work.keys.events("service.failed")
    entry, key = sent.entry_id, work.keys.idempotency(RESTORE.group, sent.envelope.id)
    old = {"idle": HOUR_MS, "retrycount": 1, "justid": True}
    await work.client.xclaim(stream, RESTORE.group, ALICE, 0, [entry], **old)
    await work.client.pexpire(key, 1000)
    assert await work.run(work.calls(ALICE).renew(lease)) == 1
    (pending,) = await work.client.xpending_range(stream, RESTORE.group, "-", "+", 10)
    assert pending["time_since_delivered"] < HOUR_MS / 2
    assert pending["times_delivered"] == 1
    assert await work.client.pttl(key) > 60_000
    assert await work.claim(RESTORE, BOB, idle_ms=HOUR_MS // 2) == []


async def test_a_lease_somebody_else_has_cannot_be_renewed(work: ScriptedCell) -> None:
    """Claimed by Bob, begun again by Alice, or settled: nothing is written."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    lease = await work.take(RESTORE)
    renewal = work.calls(ALICE).renew(lease)

    (delivery,) = await work.claim(RESTORE, ALICE)
    newer = await work.lease(delivery, ALICE)
    before = await snapshot(work.client, work.keys)
    assert await work.run(renewal) == 0
    assert await snapshot(work.client, work.keys) == before

    await work.claim(RESTORE, BOB)
    before = await snapshot(work.client, work.keys)
    assert await work.run(renewal) == 0
    assert await work.run(work.calls(ALICE).renew(newer)) == 0
    assert await snapshot(work.client, work.keys) == before

    await work.commit(await work.lease(delivery, BOB), by=BOB)
    before = await snapshot(work.client, work.keys)
    assert await work.run(renewal) == 0
    assert await snapshot(work.client, work.keys) == before


async def test_a_lease_on_an_entry_that_is_gone_cannot_be_renewed(work: ScriptedCell) -> None:
    """The server forgets who holds a deleted entry, so the worker learns that it is lost."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    await work.client.xdel(work.keys.events("service.failed"), sent.entry_id)
    assert await work.run(work.calls(ALICE).renew(lease)) == 0


async def test_settling_changes_no_other_delivery(work: ScriptedCell) -> None:
    """Two deliveries of one group keep their own leases, attempts and keys."""
    await work.deploy(RESTORE)
    one, two = await work.publish(FAILED), await work.publish(FAILED)
    leases = [await work.lease(d) for d in await work.read(RESTORE)]
    key = work.keys.idempotency(RESTORE.group, two.envelope.id)
    before = await snapshot(work.client, work.keys)
    await work.postpone(leases[0], HOUR_MS)
    assert key not in changed(before, await snapshot(work.client, work.keys))
    reply = await work.commit(leases[1], DatabaseRestored(subject="orders-db"))
    assert isinstance(reply, Committed)
    assert reply.verdict == "completed"
    assert (await work.summary(one))["status"] == "open"

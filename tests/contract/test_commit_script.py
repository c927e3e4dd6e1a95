"""What commit.lua promises: a finished step and its events, once, by who holds the lease."""

from __future__ import annotations

import pytest

from antiphon.broker.replies import Committed, Refused
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed
from scripted import ALICE, BOB, ScriptedCell, handler
from snapshots import changed, snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORED = DatabaseRestored(subject="orders-db", rows=3)
WARMED = CacheWarmed(subject="orders-cache")
RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")
WARM = handler(DatabaseRestored, name="cache.warm")
RESTART = handler(DatabaseRestored.about("orders-db"), name="orders-api.restart")


async def test_a_commit_publishes_and_settles(work: ScriptedCell) -> None:
    """The events, the acknowledgement, the kept result and the record are one step."""
    await work.deploy(RESTORE, WARM, RESTART)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    reply = await work.commit(lease, RESTORED)
    assert isinstance(reply, Committed)
    (entry_id,), verdict = reply.detail, reply.verdict
    assert verdict == ""

    ((written, fields),) = await work.client.xrange(work.keys.events("database.restored"))
    assert written.decode() == entry_id
    assert fields[b"recorded"] == b"1"
    assert fields[b"correlationid"] == sent.correlation_id.encode()
    assert fields[b"causationid"] == sent.envelope.id.encode()
    assert fields[b"hops"] == b"1"
    assert await work.outstanding(sent) == {
        f"database.restored|{entry_id}|{h.group}" for h in (WARM, RESTART)
    }
    stream = work.keys.events("service.failed")
    assert (await work.client.xpending(stream, RESTORE.group))["pending"] == 0
    key = work.keys.idempotency(RESTORE.group, sent.envelope.id)
    assert await work.client.hget(key, "state") == b"done"
    assert await work.client.pttl(key) > 0
    assert (await work.summary(sent))["done"] == "1"
    completed, published = (await work.ledger(sent))[-2:]
    assert (completed["kind"], completed["consumer"], completed["ms"]) == ("completed", ALICE, "7")
    assert (published["kind"], published["by"]) == ("published", RESTORE.group)
    assert (published["cause"], published["entry"]) == (sent.envelope.id, entry_id)
    assert set(published["to"].split(",")) == {WARM.group, RESTART.group}


async def test_the_last_commit_tells_the_verdict(work: ScriptedCell) -> None:
    """Quiescence is exact: the recovery is open until its last work, and closed with it."""
    await work.deploy(RESTORE, WARM, RESTART)
    sent = await work.publish(FAILED)
    await work.commit(await work.take(RESTORE), RESTORED)
    assert await work.commit(await work.take(WARM)) == Committed()
    assert (await work.summary(sent))["status"] == "open"
    assert await work.closings(sent) == []
    assert await work.commit(await work.take(RESTART)) == Committed(verdict="completed")
    summary = await work.summary(sent)
    assert (summary["status"], summary["verdict"], summary["closes"]) == (
        "closed",
        "completed",
        "1",
    )
    assert len(await work.closings(sent)) == 1
    assert await work.client.zscore(work.keys.open_recoveries, sent.correlation_id) is None
    closed = await work.client.zscore(work.keys.closed_recoveries, sent.correlation_id)
    assert closed == int(summary["closed"])
    retention = work.settings.record_retention.total_seconds() * 1000
    for key in (work.keys.recovery(sent.correlation_id), work.keys.ledger(sent.correlation_id)):
        assert await work.client.pexpiretime(key) == closed + retention


async def test_several_events_are_published_in_order(work: ScriptedCell) -> None:
    """Each has its own stream and its own subscribers; an unheard fact is waited for by nobody."""
    await work.deploy(RESTORE, WARM)
    sent = await work.publish(FAILED)
    reply = await work.commit(await work.take(RESTORE), WARMED, RESTORED, WARMED)
    assert isinstance(reply, Committed)
    first, restored, last = reply.detail
    warmed = await work.client.xrange(work.keys.events("cache.warmed"))
    assert [entry.decode() for entry, _ in warmed] == [first, last]
    assert await work.outstanding(sent) == {f"database.restored|{restored}|{WARM.group}"}
    assert (await work.summary(sent))["events"] == "4"


async def test_a_failure_published_by_a_step_is_blamed_when_nobody_hears_it(
    work: ScriptedCell,
) -> None:
    """The step is done, and the recovery is partial: the verdict names the failure."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    reply = await work.commit(lease, ServiceFailed(subject="backup-store"))
    assert isinstance(reply, Committed)
    assert reply.verdict == "partial"
    (closing,) = await work.closings(sent)
    assert b'"service.failed about backup-store: no handler answered"' in closing[b"data"]


async def test_committing_again_writes_nothing(work: ScriptedCell) -> None:
    """A commit whose reply was lost is repeated: it has happened once, events included."""
    await work.deploy(RESTORE, WARM)
    await work.publish(FAILED)
    call = work.committing(await work.take(RESTORE), RESTORED)
    assert (await work.run(call))[0] == 1
    before = await snapshot(work.client, work.keys)
    assert await work.run(call) == [3]
    assert await snapshot(work.client, work.keys) == before


async def _claimed(work: ScriptedCell) -> None:
    await work.claim(RESTORE, BOB)


async def _admitted(work: ScriptedCell) -> None:
    (delivery,) = await work.claim(RESTORE, BOB)
    await work.lease(delivery, BOB)


async def _done(work: ScriptedCell) -> None:
    (delivery,) = await work.claim(RESTORE, BOB)
    await work.commit(await work.lease(delivery, BOB), by=BOB)


async def _same_consumer(work: ScriptedCell) -> None:
    (delivery,) = await work.claim(RESTORE, ALICE)
    await work.lease(delivery, ALICE)


async def _key_lost(work: ScriptedCell) -> None:
    async for key in work.client.scan_iter(work.keys.idempotency("*", "*")):
        await work.client.delete(key)


async def _acknowledged(work: ScriptedCell) -> None:
    stream = work.keys.events("service.failed")
    ((entry_id, _),) = await work.client.xrange(stream)
    await work.client.xack(stream, RESTORE.group, entry_id)


LOSSES = [_claimed, _admitted, _done, _same_consumer, _key_lost, _acknowledged]


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__.strip("_"))
@pytest.mark.parametrize("settle", ["commit", "postpone", "release", "bury"])
async def test_who_lost_the_lease_settles_nothing(
    work: ScriptedCell, lose: object, settle: str
) -> None:
    """Whatever the late worker wants to write, only the refusal itself is noted."""
    page = handler(ServiceFailed, name="pager.page")
    await work.deploy(RESTORE, page)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    await lose(work)  # type: ignore[operator]
    before = await snapshot(work.client, work.keys)
    rows = await work.ledger(sent)

    late = work.commit(lease, RESTORED) if settle == "commit" else getattr(work, settle)(lease)
    assert await late == Refused()
    ledger = work.keys.ledger(sent.correlation_id)
    assert changed(before, await snapshot(work.client, work.keys)) == {ledger}
    *same, refused = await work.ledger(sent)
    assert same == rows
    assert (refused["kind"], refused["group"]) == ("refused", RESTORE.group)
    assert (refused["entry"], refused["consumer"]) == (sent.entry_id, ALICE)


async def test_a_refusal_makes_no_record_where_there_is_none(work: ScriptedCell) -> None:
    """A worker that wakes after the record expired leaves no ledger behind that never would."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    await _done(work)
    await work.client.delete(*work.keys.record(sent.correlation_id, "orders-db"))
    before = await snapshot(work.client, work.keys)
    assert await work.commit(lease, RESTORED) == Refused()
    assert await snapshot(work.client, work.keys) == before

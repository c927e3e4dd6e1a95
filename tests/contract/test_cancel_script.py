"""What cancel.lua promises: no further step starts, nothing planned is waited for."""

from __future__ import annotations

import pytest

from antiphon import all_of
from antiphon.broker.faults import ScriptFailed
from antiphon.broker.replies import Closed, Committed, Suppressed
from antiphon.errors import AntiphonError
from antiphon_events import CacheLost, CacheWarmed, DatabaseRestored, ServiceFailed
from flowing import FlowCell, children, undone
from sabotage import Sabotage, both_ways
from scripted import ALICE, BOB, HOUR_MS, handler
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORED = DatabaseRestored(subject="orders-db")
WARMED = CacheWarmed(subject="cache")
LOST = CacheLost(subject="cache")
RESTORE = handler(ServiceFailed, name="orders.restore")
UNDO = handler(ServiceFailed, name="orders.undo", undo=undone)
WARM = handler(DatabaseRestored, name="cache.warm")
BOTH = handler(all_of(DatabaseRestored, CacheWarmed), name="web.reopen", within="1h")
REFILL = handler(CacheLost, name="cache.refill")


async def test_what_is_planned_is_dropped(flow: FlowCell) -> None:
    """Delays and joins go with their timers and plans; deliveries stay until looked at."""
    await flow.deploy(RESTORE, WARM, BOTH)
    sent = await flow.publish(FAILED)
    cid = sent.correlation_id
    await flow.finish(await flow.take(RESTORE), RESTORED, later=(WARMED, FAILED))
    await flow.admit(await flow.read_one(BOTH))
    lease = await flow.take(WARM)
    cancelled = await flow.cancel(cid)
    assert (cancelled.dropped, cancelled.children, cancelled.verdict) == (3, 0, "")
    assert not cancelled.repeated
    assert await flow.outstanding(sent) == {lease.delivery.name}
    assert (await flow.timers(), await flow.plan(cid)) == (set(), set())
    assert (await flow.summary(sent))["cancelled"] == "ada: a drill"
    (row,) = await flow.ledger(sent, "cancelled")
    assert (row["by"], row["reason"]) == ("ada", "a drill")
    ((_, audit),) = await flow.client.xrange(flow.keys.audit)
    assert (audit[b"action"], audit[b"what"].decode(), audit[b"by"]) == (b"cancel", cid, b"ada")
    done = await flow.commit(lease, WARMED)
    assert isinstance(done, Committed)
    assert done.verdict == ""
    reply = await flow.admit(await flow.read_one(BOTH))
    assert isinstance(reply, Suppressed)
    assert (reply.guard, reply.verdict, reply.told) == ("cancel", "cancelled", False)
    assert reply.attempts == 0
    (closing,) = await flow.closings(sent)
    assert closing[b"type"] == b"recovery.cancelled"
    assert b'"reason":"ada: a drill"' in closing[b"data"]
    await flow.ring()
    assert await flow.client.xlen(flow.keys.events("join.timed_out")) == 0


async def test_what_waits_is_looked_at_now(flow: FlowCell) -> None:
    """A retry that was an hour away is due, does not run, and its key is free."""
    await flow.deploy(RESTORE)
    sent = await flow.publish(FAILED)
    lease = await flow.take(RESTORE)
    await flow.postpone(lease, HOUR_MS)
    await flow.cancel(sent.correlation_id)
    (due,) = await flow.due(RESTORE, BOB)
    reply = await flow.admit(due, BOB)
    assert isinstance(reply, Suppressed)
    assert (reply.verdict, reply.attempts) == ("cancelled", 1)
    assert not await flow.client.exists(flow.keys.idempotency(RESTORE.group, due.key))
    assert (await flow.summary(sent))["suppressed"] == "1"


async def test_a_recovery_with_nothing_else_is_over_at_once(flow: FlowCell) -> None:
    """What waits to be heard is dropped as well, and a handler that comes late hears nothing."""
    sent = await flow.publish(FAILED)
    assert (await flow.cancel(sent.correlation_id)).verdict == "cancelled"
    await flow.deploy(RESTORE)
    for delivery in await flow.read(RESTORE):
        assert await flow.admit(delivery) == Closed()


async def test_completed_steps_are_undone(flow: FlowCell) -> None:
    """Although nothing failed."""
    await flow.deploy(UNDO)
    sent = await flow.publish(FAILED)
    await flow.finish(await flow.take(UNDO), later=(WARMED,))
    cancelled = await flow.cancel(sent.correlation_id)
    assert (cancelled.verdict, cancelled.dropped) == ("", 1)
    await flow.chimes.ring()
    (due,) = await flow.due(UNDO, ALICE)
    assert await flow.finish(await flow.lease(due)) == Committed(verdict="cancelled")
    (row,) = await flow.ledger(sent, "undoing")
    assert row["verdict"] == "cancelled"


async def test_it_is_cancelled_once(flow: FlowCell) -> None:
    """Repeating it writes nothing; what is over or unknown is refused, and nothing written."""
    await flow.deploy(RESTORE)
    sent = await flow.publish(FAILED)
    await flow.cancel(sent.correlation_id)
    before = await snapshot(flow.client, flow.keys)
    again = await flow.cancel(sent.correlation_id, by="ben")
    assert (again.repeated, again.dropped, again.verdict) == (True, 0, "")
    assert await snapshot(flow.client, flow.keys) == before
    await flow.admit(await flow.read_one(RESTORE))
    before = await snapshot(flow.client, flow.keys)
    with pytest.raises(AntiphonError, match="is over, as cancelled"):
        await flow.cancel(sent.correlation_id)
    with pytest.raises(AntiphonError, match="no recovery 'nobody'"):
        await flow.cancel("nobody")
    assert await snapshot(flow.client, flow.keys) == before


@both_ways
async def test_it_is_refused_whole(flow: FlowCell, sabotage: Sabotage) -> None:
    """Without a note of who did it nothing is cancelled."""
    sent = await flow.publish(FAILED)
    await sabotage(flow, flow.keys.audit)
    before = await snapshot(flow.client, flow.keys)
    with pytest.raises(ScriptFailed, match="cancel"):
        await flow.cancel(sent.correlation_id)
    assert await snapshot(flow.client, flow.keys) == before
    await flow.client.delete(flow.keys.audit)
    assert (await flow.cancel(sent.correlation_id)).verdict == "cancelled"


async def test_children_are_cancelled_with_it(flow: FlowCell) -> None:
    """Those that run, those of theirs, and those that nobody has seen begin."""
    await flow.deploy(RESTORE, REFILL)
    sent = await flow.publish(FAILED)
    ((seen, _), (unseen, _)) = started = children(LOST, CacheLost(subject="b"))
    await flow.finish(await flow.take(RESTORE), starts=started)
    first, second = await flow.read(REFILL)
    lease = await flow.lease(first)
    ((grandchild, _),) = inner = children(CacheLost(subject="c"))
    await flow.finish(lease, starts=inner)
    cancelled = await flow.cancel(sent.correlation_id)
    assert (cancelled.children, cancelled.verdict) == (3, "")
    for cid in (unseen, grandchild):
        record = flow.keys.recovery(cid)
        assert await flow.client.hgetall(record) == {b"cancelled": b"ada: a drill"}
        assert await flow.client.pttl(record) > 0
    reply = await flow.admit(second)
    assert isinstance(reply, Suppressed)
    assert reply.verdict == "cancelled"
    reply = await flow.admit(await flow.read_one(REFILL))
    assert isinstance(reply, Suppressed)
    await flow.ring_out()
    assert (await flow.summary(sent))["verdict"] == "cancelled"
    verdicts = {row["child"]: row["verdict"] for row in await flow.ledger(sent, "child_closed")}
    assert verdicts == {seen: "cancelled"}  # the other had not begun, and is not waited for
    assert await flow.plan(sent.correlation_id) == set()


async def test_a_child_cancelled_before_it_began_lasts_while_it_is_open(flow: FlowCell) -> None:
    """The note of it expires; its record, once there is one, does not."""
    await flow.deploy(RESTORE, REFILL)
    sent = await flow.publish(FAILED)
    ((child, _),) = started = children(LOST)
    await flow.finish(await flow.take(RESTORE), starts=started)
    await flow.cancel(sent.correlation_id)
    page = handler(CacheLost, name="pager.page")
    await flow.deploy(page)
    await flow.admit(await flow.read_one(REFILL))
    record = flow.keys.recovery(child)
    assert await flow.client.hget(record, "status") == b"open"
    assert await flow.client.pttl(record) == -1
    await flow.admit(await flow.read_one(page))
    assert await flow.client.pttl(record) > 0
    await flow.ring_out()


async def test_a_cancelled_recovery_may_be_replayed(flow: FlowCell) -> None:
    """A person wants it to go on."""
    await flow.deploy(RESTORE)
    sent = await flow.publish(FAILED)
    lease = await flow.take(RESTORE)
    await flow.cancel(sent.correlation_id)
    reply = await flow.bury(lease)
    assert isinstance(reply, Committed)
    assert reply.verdict == "cancelled"
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    (due,) = await flow.due(RESTORE, ALICE)
    assert await flow.commit(await flow.lease(due)) == Committed(verdict="completed")

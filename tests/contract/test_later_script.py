"""What later.lua promises, and with it every timer: it is fired once, and at its time."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.broker.chimes import Chimes
from antiphon.broker.faults import ScriptFailed
from antiphon.broker.replies import Committed
from antiphon_events import CacheLost, CacheWarmed, DatabaseRestored, Event, ServiceFailed
from flowing import HOUR, FlowCell
from sabotage import Sabotage, both_ways
from scripted import HOUR_MS, Sent, handler
from snapshots import changed, snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORED = DatabaseRestored(subject="orders-db", rows=3)
RESTORE = handler(ServiceFailed, name="orders.restore")
WARM = handler(DatabaseRestored, name="cache.warm")


async def scheduled(flow: FlowCell, *later: Event) -> Sent:
    """A recovery that waits for nothing but delayed events."""
    await flow.deploy(RESTORE, WARM)
    sent = await flow.publish(FAILED)
    reply = await flow.finish(await flow.take(RESTORE), later=later or (RESTORED,))
    assert isinstance(reply, Committed)
    assert (reply.verdict, set(reply.detail)) == ("", {""})
    return sent


async def test_a_delayed_event_is_waited_for(flow: FlowCell) -> None:
    """It is outstanding, planned and timed, and on no stream yet."""
    sent = await scheduled(flow)
    (row,) = await flow.ledger(sent, "scheduled")
    ((kind, name, cid),) = await flow.timers()
    assert (kind, name, cid) == ("later", row["event"], sent.correlation_id)
    assert await flow.outstanding(sent) == {f"later|{name}|database.restored"}
    assert await flow.plan(sent.correlation_id) == {f"later:{name}"}
    assert (row["by"], row["cause"], row["subject"]) == (
        RESTORE.group,
        sent.envelope.id,
        "orders-db",
    )
    now_ms = int((await flow.client.time())[0]) * 1000
    assert abs(int(row["due"]) - now_ms - HOUR_MS) < 60_000
    assert await flow.client.xlen(flow.keys.events("database.restored")) == 0


async def test_it_is_published_at_its_time(flow: FlowCell) -> None:
    """With the id, the cause and the author it was given; then it is a delivery like others."""
    sent = await scheduled(flow)
    (row,) = await flow.ledger(sent, "scheduled")
    assert await flow.ring() is False
    ((entry_id, fields),) = await flow.client.xrange(flow.keys.events("database.restored"))
    assert (fields[b"id"].decode(), fields[b"recorded"]) == (row["event"], b"1")
    assert fields[b"causationid"].decode() == sent.envelope.id
    (_, published) = await flow.ledger(sent, "published")
    assert published["event"] == row["event"]
    assert (published["by"], published["cause"]) == (RESTORE.group, sent.envelope.id)
    assert published["to"] == WARM.group
    assert await flow.outstanding(sent) == {f"database.restored|{entry_id.decode()}|{WARM.group}"}
    assert await flow.plan(sent.correlation_id) == set()
    assert await flow.timers() == set()
    lease = await flow.take(WARM)
    assert lease.delivery.event == RESTORED
    assert await flow.commit(lease) == Committed(verdict="completed")


async def test_before_its_time_nothing_happens(flow: FlowCell) -> None:
    """Neither a look at the clock nor the call itself publishes early."""
    sent = await scheduled(flow)
    ((_, name, _),) = await flow.timers()
    before = await snapshot(flow.client, flow.keys)
    assert await flow.chimes.ring() is False
    assert await flow.run(flow.firing(sent, name)) == [0]
    assert await snapshot(flow.client, flow.keys) == before


async def test_two_workers_publish_it_once(flow: FlowCell) -> None:
    """Who comes second finds the timer gone; so does a call that is repeated."""
    sent = await scheduled(flow)
    ((_, name, _),) = await flow.timers()
    call = flow.firing(sent, name)
    await flow.hasten()
    second = Chimes(flow.client, flow.gatherer, flow.keys, flow.settings)
    await asyncio.gather(flow.chimes.ring(), second.ring())
    before = await snapshot(flow.client, flow.keys)
    assert await flow.run(call) == [0]
    assert await snapshot(flow.client, flow.keys) == before
    assert await flow.client.xlen(flow.keys.events("database.restored")) == 1


async def test_one_that_nobody_waits_for_is_let_go(flow: FlowCell) -> None:
    """A timer without its outstanding member publishes nothing and does not come back."""
    sent = await scheduled(flow)
    ((_, name, _),) = await flow.timers()
    await flow.client.delete(flow.keys.outstanding(sent.correlation_id))
    await flow.ring()
    assert await flow.client.xlen(flow.keys.events("database.restored")) == 0
    assert await flow.timers() == set()
    assert await flow.plan(sent.correlation_id) == set()
    assert (await flow.summary(sent))["events"] == "1"
    assert name


@pytest.mark.parametrize(
    ("event", "verdict", "unanswered"),
    [(CacheWarmed(subject="a"), "completed", "0"), (CacheLost(subject="a"), "partial", "1")],
)
async def test_the_last_one_closes_the_recovery(
    flow: FlowCell, event: CacheWarmed | CacheLost, verdict: str, unanswered: str
) -> None:
    """A fact that nobody hears ends it; a failure that nobody hears is blamed."""
    sent = await scheduled(flow, event)
    await flow.ring()
    summary = await flow.summary(sent)
    assert (summary["verdict"], summary.get("unanswered", "0")) == (verdict, unanswered)


@both_ways
async def test_a_stream_that_takes_none_loses_no_event(flow: FlowCell, sabotage: Sabotage) -> None:
    """Nothing is written, the others are published, and it is tried again later."""
    sent = await scheduled(flow, CacheWarmed(subject="a"), RESTORED)
    await sabotage(flow, flow.keys.events("cache.warmed"))
    await flow.ring()
    assert await flow.client.xlen(flow.keys.events("database.restored")) == 1
    ((kind, name, _),) = await flow.timers()
    assert kind == "later"
    assert f"later|{name}|cache.warmed" in await flow.outstanding(sent)
    assert await flow.plan(sent.correlation_id) == {f"later:{name}"}
    (again_ms,) = [s for _, s in await flow.client.zrange(flow.keys.timers, 0, -1, withscores=True)]
    now_ms = int((await flow.client.time())[0]) * 1000
    assert now_ms < again_ms < now_ms + HOUR.total_seconds() * 1000
    await flow.client.delete(flow.keys.events("cache.warmed"))
    await flow.ring()
    assert await flow.timers() == set()
    assert len(await flow.ledger(sent, "published")) == 3


@both_ways
async def test_the_script_itself_refuses_whole(flow: FlowCell, sabotage: Sabotage) -> None:
    """An entry that cannot be written is the first thing that is tried."""
    sent = await scheduled(flow)
    ((_, name, _),) = await flow.timers()
    await sabotage(flow, flow.keys.events("database.restored"))
    await flow.hasten()
    before = await snapshot(flow.client, flow.keys)
    with pytest.raises(ScriptFailed, match="later"):
        await flow.run(flow.firing(sent, name))
    assert changed(before, await snapshot(flow.client, flow.keys)) == set()


async def test_a_timer_whose_record_is_gone_is_let_go(flow: FlowCell) -> None:
    """What expired with its recovery keeps nobody busy."""
    sent = await scheduled(flow)
    cid = sent.correlation_id
    await flow.client.delete(flow.keys.recovery(cid), flow.keys.plan(cid))
    await flow.ring()
    assert await flow.timers() == set()
    await flow.client.delete(flow.keys.outstanding(cid), flow.keys.ledger(cid))


async def test_a_handler_of_the_closing_may_go_on_later(flow: FlowCell) -> None:
    """What it puts off, or starts, opens the recovery again: something is outstanding."""
    from antiphon_events import RecoveryCompleted  # noqa: PLC0415

    hear = handler(RecoveryCompleted, name="pager.hear")
    await flow.deploy(RESTORE, hear)
    sent = await flow.publish(FAILED)
    await flow.commit(await flow.take(RESTORE))
    await flow.finish(await flow.take(hear), later=(CacheWarmed(subject="a"),))
    assert (await flow.summary(sent))["status"] == "open"
    assert await flow.client.zscore(flow.keys.open_recoveries, sent.correlation_id) is not None
    await flow.ring()
    assert (await flow.summary(sent))["closes"] == "2"
    assert await flow.outstanding(sent) == set()


async def test_a_timer_of_a_newer_version_is_in_nobody_s_way(flow: FlowCell) -> None:
    """It is kept for whoever knows it, and the others are fired."""
    sent = await scheduled(flow)
    await flow.client.zadd(flow.keys.timers, {'["novel","","x"]': 0})
    await flow.ring()
    assert await flow.timers() == {("novel", "", "x")}
    assert len(await flow.ledger(sent, "published")) == 2

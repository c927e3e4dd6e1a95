"""What timeout.lua and join.lua promise of a join that waits only so long."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from antiphon import all_of, n_of
from antiphon.broker.replies import Arrived, Late, OnHold, Run, Suppressed
from antiphon.flow.join import branch_name
from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    JoinTimedOut,
    ServiceFailed,
    ServiceRestarted,
)
from flowing import FlowCell
from sabotage import Sabotage, both_ways
from scripted import ALICE, HOUR_MS, Sent, handler
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-db")
WARMED, RESTARTED = CacheWarmed(subject="cache"), ServiceRestarted(subject="api")
RESTORED = DatabaseRestored(subject="orders-db")
ROOT = handler(ServiceFailed, name="orders.restore")
BOTH = handler(all_of(CacheWarmed, ServiceRestarted), name="web.reopen", within="1h")
THREE = handler(
    n_of(3, CacheWarmed, ServiceRestarted, DatabaseRestored), name="web.three", within="1h"
)
HEAR = handler(JoinTimedOut.about("orders-db"), name="pager.hear")
WARMED_BRANCH, RESTARTED_BRANCH = (branch_name(s) for s in BOTH.selectors)
OWED = f"join|{BOTH.group}|{BOTH.group}"


async def begin(flow: FlowCell, *handlers: object) -> Sent:
    """A recovery in which one branch has come, and nothing else is outstanding."""
    await flow.deploy(ROOT, BOTH, *handlers)  # type: ignore[arg-type]
    root = await flow.publish(FAILED)
    lease = await flow.take(ROOT)
    await flow.commit(lease, WARMED)
    reply = await flow.admit(await flow.read_one(BOTH), payload=b"the cache")
    assert reply == Arrived(have=1, need=2, verdict="")
    return root


async def arrive(flow: FlowCell, event: CacheWarmed | ServiceRestarted, root: Sent) -> Sent:
    return await flow.publish(event, correlation_id=root.correlation_id)


async def test_the_first_branch_sets_the_timer(flow: FlowCell) -> None:
    """The recovery waits for it; the row says until when; a branch that comes again sets none."""
    root = await begin(flow)
    assert await flow.outstanding(root) == {OWED}
    assert ("join", BOTH.group, root.correlation_id) in await flow.timers()
    assert await flow.plan(root.correlation_id) == {f"join:{BOTH.group}"}
    (row,) = await flow.ledger(root, "joined")
    (score,) = [s for _, s in await flow.client.zrange(flow.keys.timers, 0, -1, withscores=True)]
    assert int(row["due"]) == score
    now_ms = int((await flow.client.time())[0]) * 1000
    assert abs(score - now_ms - HOUR_MS) < 60_000
    await arrive(flow, WARMED, root)
    assert await flow.admit(await flow.read_one(BOTH)) == Arrived(have=1, need=2, verdict="")
    assert [row["due"] for row in await flow.ledger(root, "joined")] == [row["due"], ""]
    assert len(await flow.timers()) == 1


async def test_a_further_branch_sets_no_timer_again(flow: FlowCell) -> None:
    """Only the first one does: a join that was cancelled, or dropped its timer, has none."""
    root = await begin(flow, THREE)
    assert isinstance(await flow.admit(await flow.read_one(THREE)), Arrived)
    await flow.client.srem(
        flow.keys.outstanding(root.correlation_id), f"join|{THREE.group}|{THREE.group}"
    )
    await arrive(flow, RESTARTED, root)
    assert isinstance(await flow.admit(await flow.read_one(THREE)), Arrived)
    assert await flow.outstanding(root) >= {OWED}
    assert f"join|{THREE.group}|{THREE.group}" not in await flow.outstanding(root)


async def test_a_join_without_a_time_waits_for_ever(flow: FlowCell) -> None:
    """No timer, nothing outstanding: it closes as before."""
    plain = handler(all_of(CacheWarmed, ServiceRestarted), name="web.plain")
    await flow.deploy(ROOT, plain)
    root = await flow.publish(FAILED)
    await flow.commit(await flow.take(ROOT), WARMED)
    reply = await flow.admit(await flow.read_one(plain))
    assert reply == Arrived(have=1, need=2, verdict="partial")
    assert await flow.timers() == set()
    (row,) = await flow.ledger(root, "joined")
    assert row["due"] == ""


async def test_the_last_branch_lets_go_of_the_timer(flow: FlowCell) -> None:
    """It can time out no more, and nothing of it is left."""
    root = await begin(flow)
    sent = await arrive(flow, RESTARTED, root)
    assert isinstance(await flow.admit(await flow.read_one(BOTH)), Run)
    assert await flow.timers() == set()
    assert await flow.plan(root.correlation_id) == set()
    assert await flow.outstanding(root) == sent.owed(BOTH)


async def test_a_complete_join_that_is_held_does_not_time_out(flow: FlowCell) -> None:
    """A pause lasts as long as it lasts."""
    root = await begin(flow, HEAR)
    await arrive(flow, RESTARTED, root)
    paused = orjson.dumps({"by": "ada", "since": 1, "reason": ""})
    await flow.client.hset(flow.keys.pauses, "*", paused)
    held = await flow.read_one(BOTH)
    assert isinstance(await flow.admit(held), OnHold)
    await flow.ring()
    assert await flow.ledger(root, "timed_out") == []
    await flow.client.delete(flow.keys.pauses)
    assert isinstance(await flow.admit(held), Run)


async def test_it_times_out_and_says_what_is_missing(flow: FlowCell) -> None:
    """The event is about the recovery's own subject, and a delivery like any other."""
    root = await begin(flow, HEAR)
    cid = root.correlation_id
    await flow.ring()
    ((entry_id, fields),) = await flow.client.xrange(flow.keys.events("join.timed_out"))
    assert (fields[b"id"].decode(), fields[b"subject"]) == (
        f"{cid}:timeout:{BOTH.group}",
        b"orders-db",
    )
    assert (fields[b"hops"], fields[b"recorded"]) == (b"2", b"1")
    assert orjson.loads(fields[b"data"]) == {
        "step": BOTH.group,
        "missing": [RESTARTED_BRANCH],
        "arrived": [WARMED_BRANCH],
        "needed": 2,
    }
    (row,) = await flow.ledger(root, "timed_out")
    assert (row["group"], row["have"], row["need"]) == (BOTH.group, "1", "2")
    assert (row["missing"], row["event"]) == (RESTARTED_BRANCH, fields[b"id"].decode())
    (*_, published) = await flow.ledger(root, "published")
    assert (published["type"], published["by"]) == ("join.timed_out", BOTH.group)
    assert fields[b"causationid"].decode() == published["cause"]
    assert await flow.outstanding(root) == {f"join.timed_out|{entry_id.decode()}|{HEAR.group}"}
    assert (await flow.timers(), await flow.plan(cid)) == (set(), set())
    assert (await flow.summary(root))["unjoined"] == "1"
    await flow.commit(await flow.take(HEAR))
    (closing,) = await flow.closings(root)
    assert b"1 of 2 branches arrived" in closing[b"data"]


async def test_nobody_hears_it_and_the_recovery_closes(flow: FlowCell) -> None:
    """A time-out is a fact, not a failure: the join alone is what did not happen."""
    root = await begin(flow)
    await flow.ring()
    summary = await flow.summary(root)
    assert (summary["verdict"], summary.get("unanswered", "0")) == ("partial", "0")


async def test_a_branch_that_comes_late_ends_at_once(flow: FlowCell) -> None:
    """It is not kept, sets no timer and runs nothing, even when it is the last one missing."""
    root = await begin(flow, HEAR)
    await flow.ring()
    for event in (RESTARTED, WARMED):
        sent = await arrive(flow, event, root)
        assert await flow.admit(await flow.read_one(BOTH)) == Late(verdict="")
        assert not await flow.outstanding(root) & sent.owed(BOTH)
    (first, _) = await flow.ledger(root, "late")
    assert first["group"] == BOTH.group
    kept = await flow.client.hkeys(flow.keys.join(BOTH.group, root.correlation_id))
    assert kept == [WARMED_BRANCH.encode()]
    stream = flow.keys.events("service.restarted")
    assert (await flow.client.xpending(stream, BOTH.group))["pending"] == 0
    await arrive(flow, RESTARTED, root)
    await flow.commit(await flow.take(HEAR))
    reply = await flow.admit(await flow.read_one(BOTH))
    assert reply == Late(verdict="partial")


async def test_it_times_out_once_and_not_before(flow: FlowCell) -> None:
    """Early nothing happens; two workers at once are one."""
    root = await begin(flow)
    before = await snapshot(flow.client, flow.keys)
    await flow.chimes.ring()
    assert await snapshot(flow.client, flow.keys) == before
    await flow.hasten()
    await asyncio.gather(flow.chimes.ring(), flow.chimes.ring())
    assert len(await flow.ledger(root, "timed_out")) == 1
    assert await flow.client.xlen(flow.keys.events("join.timed_out")) == 1


@both_ways
async def test_a_time_out_that_cannot_be_said_is_kept(flow: FlowCell, sabotage: Sabotage) -> None:
    """Nothing is written but when to try again; then it is said."""
    root = await begin(flow)
    await sabotage(flow, flow.keys.events("join.timed_out"))
    await flow.hasten()
    before = dict(await snapshot(flow.client, flow.keys))
    await flow.chimes.ring()
    after = dict(await snapshot(flow.client, flow.keys))
    assert before.pop(flow.keys.timers) != after.pop(flow.keys.timers)
    assert before == after
    await flow.client.delete(flow.keys.events("join.timed_out"))
    await flow.ring()
    assert len(await flow.ledger(root, "timed_out")) == 1


@pytest.mark.parametrize("over", ["cancelled", "undoing", "halted"])
async def test_a_recovery_that_does_not_go_on_waits_for_no_branch(
    flow: FlowCell, over: str
) -> None:
    """The join would not run any more: its branch is kept, and no timer is set."""
    await flow.deploy(ROOT, BOTH)
    root = await flow.publish(FAILED)
    await arrive(flow, WARMED, root)
    await flow.client.hset(flow.keys.recovery(root.correlation_id), over, "partial")
    assert isinstance(await flow.admit(await flow.read_one(BOTH)), Arrived)
    assert await flow.outstanding(root) == root.owed(ROOT)
    assert await flow.timers() == set()
    await arrive(flow, RESTARTED, root)
    assert isinstance(await flow.admit(await flow.read_one(BOTH), ALICE), Suppressed)

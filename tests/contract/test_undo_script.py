"""What undo.lua promises, and commit.lua, bury.lua and replay.lua of steps that are undone."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from antiphon import Settings, all_of
from antiphon.broker.calls import Lease
from antiphon.broker.chimes import Timer
from antiphon.broker.faults import ScriptFailed
from antiphon.broker.replies import Committed, Run, Suppressed
from antiphon_events import CacheWarmed, DatabaseFailed, DatabaseRestored, ServiceFailed
from flowing import FlowCell, undone
from sabotage import Sabotage, both_ways
from scripted import ALICE, BOB, Sent, handler
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORED = DatabaseRestored(subject="orders-db")
RESTORE = handler(ServiceFailed, DatabaseFailed, name="orders.restore", undo=undone)
WARM = handler(DatabaseRestored, name="cache.warm", undo=undone)
LAST = handler(CacheWarmed, name="web.reopen")


@pytest.fixture
def settings(redis_url: str, cell: str) -> Settings:
    accepting = {DatabaseFailed.type: {"partial": "accept"}}
    return Settings.model_validate({"redis_url": redis_url, "cell": cell, "recoveries": accepting})


async def broken_off(flow: FlowCell, root: ServiceFailed | DatabaseFailed = FAILED) -> Sent:
    """Two steps are done, and the third has died."""
    await flow.deploy(RESTORE, WARM, LAST)
    sent = await flow.publish(root)
    await flow.finish(await flow.take(RESTORE), RESTORED)
    await flow.finish(await flow.take(WARM), CacheWarmed(subject="cache"))
    reply = await flow.bury(await flow.take(LAST))
    assert isinstance(reply, Committed)
    assert reply.prompt == (root is FAILED)
    return sent


async def undoing(flow: FlowCell, h: object) -> Lease:
    """Take up the one undoing that is due."""
    (delivery,) = await flow.due(h, ALICE)  # type: ignore[arg-type]
    assert delivery.undo is not None
    return await flow.lease(delivery)


async def test_nothing_outstanding_and_not_completed_rolls_back(flow: FlowCell) -> None:
    """The last step first, one at a time; the recovery is open meanwhile and closes once."""
    sent = await broken_off(flow)
    cid = sent.correlation_id
    assert await flow.timers() == {("undo", "2", cid)}
    assert await flow.outstanding(sent) == {"undo|2|"}
    assert await flow.plan(cid) == {"undo:1", "undo:2"}
    assert await flow.closings(sent) == []
    summary = await flow.summary(sent)
    assert (summary["status"], summary["undoing"], summary["undos"]) == ("open", "partial", "2")
    (row,) = await flow.ledger(sent, "undoing")
    assert (row["verdict"], row["steps"]) == ("partial", "2")

    assert await flow.chimes.ring() is False
    (first,) = await flow.ledger(sent, "undo")
    assert await flow.outstanding(sent) == {f"inbox|{first['entry']}|{WARM.group}"}
    lease = await undoing(flow, WARM)
    d = lease.delivery
    assert (d.label, d.envelope.id, d.key) == ("inbox", first["event"], first["event"])
    assert (first["of"], first["entry"]) == (d.envelope.causation_id, d.entry_id)
    assert await flow.outstanding(sent) == {f"inbox|{d.entry_id}|{WARM.group}"}
    reply = await flow.finish(lease)
    assert isinstance(reply, Committed)
    assert (reply.verdict, reply.prompt) == ("", True)
    assert len(await flow.ledger(sent, "undoing")) == 1

    await flow.ring()
    assert await flow.finish(await undoing(flow, RESTORE)) == Committed(verdict="partial")
    completed = await flow.ledger(sent, "completed")
    assert [r.get("undo") for r in completed] == [None, None, "1", "1"]
    summary = await flow.summary(sent)
    assert (summary["done"], summary["undone"], summary["undos"]) == ("2", "2", "0")
    assert "undoing" not in summary
    (closing,) = await flow.closings(sent)
    data = orjson.loads(closing[b"data"])
    assert (data["undone"], data["completed"]) == ([WARM.group, RESTORE.group], [])
    assert data["left"] == ""
    assert (await flow.ledger(sent, "closed"))[0]["undone"] == "2"


async def test_a_partial_recovery_may_be_accepted(flow: FlowCell) -> None:
    """Where that is the policy nothing is undone; what could be goes with the record."""
    sent = await broken_off(flow, DatabaseFailed(subject="db"))
    assert (await flow.summary(sent))["verdict"] == "partial"
    assert await flow.timers() == set()
    assert await flow.client.pttl(flow.keys.plan(sent.correlation_id)) > 0
    (closing,) = await flow.closings(sent)
    assert "took effect, and this did not" in orjson.loads(closing[b"data"])["left"]


async def test_a_completed_recovery_is_not_undone(flow: FlowCell) -> None:
    """What held is not taken back, whatever comes later: how to do it is forgotten."""
    await flow.deploy(RESTORE)
    sent = await flow.publish(FAILED)
    assert await flow.finish(await flow.take(RESTORE)) == Committed(verdict="completed")
    assert not await flow.client.exists(flow.keys.plan(sent.correlation_id))
    assert "undos" not in await flow.summary(sent)


async def test_an_undoing_is_retried_and_may_die(flow: FlowCell) -> None:
    """What cannot be undone is counted, named and told; the others are undone all the same."""
    sent = await broken_off(flow)
    await flow.chimes.ring()
    await flow.postpone(await undoing(flow, WARM))
    (again,) = await flow.due(WARM, ALICE)
    assert again.undo is not None
    reply = await flow.give_up(await flow.lease(again))
    assert isinstance(reply, Committed)
    assert (reply.prompt, len(reply.detail)) == (True, 1)
    summary = await flow.summary(sent)
    assert (summary["notundone"], summary["dead"], summary["undos"]) == ("1", "1", "1")
    await flow.chimes.ring()
    await flow.finish(await undoing(flow, RESTORE))
    (closing,) = await flow.closings(sent)
    data = orjson.loads(closing[b"data"])
    assert data["undone"] == [RESTORE.group]
    assert any(why.startswith(f"{WARM.group}: could not be undone") for why in data["reasons"])
    (told,) = await flow.ledger(sent, "escalated")
    assert (told["guard"], told["value"]) == ("undo", "1")


async def test_one_whose_handler_is_gone_is_passed_over(flow: FlowCell) -> None:
    """It is blamed, and the next is undone."""
    sent = await broken_off(flow)
    await flow.client.hdel(flow.keys.groups, WARM.group)
    assert await flow.chimes.ring() is True
    assert (await flow.summary(sent))["notundone"] == "1"
    assert await flow.client.xlen(flow.keys.inbox(WARM.group)) == 0
    assert await flow.timers() == {("undo", "1", sent.correlation_id)}
    await flow.chimes.ring()
    assert await flow.finish(await undoing(flow, RESTORE)) == Committed(verdict="partial")


async def test_it_is_delivered_once(flow: FlowCell) -> None:
    """Two workers at once, and a timer that is looked at again, are one delivery."""
    sent = await broken_off(flow)
    await asyncio.gather(flow.chimes.ring(), flow.chimes.ring())
    await flow.chimes.ring()
    assert len(await flow.ledger(sent, "undo")) == 1
    assert await flow.client.xlen(flow.keys.inbox(WARM.group)) == 1
    assert await flow.plan(sent.correlation_id) == {"undo:1"}


async def test_a_step_completed_meanwhile_is_undone_first(flow: FlowCell) -> None:
    """A timer that was set for another step sets the right one, and delivers nothing."""
    sent = await broken_off(flow)
    plan = flow.keys.plan(sent.correlation_id)
    await flow.client.hset(plan, "undo:3", await flow.client.hget(plan, "undo:2"))
    await flow.client.hset(flow.keys.recovery(sent.correlation_id), "undos", 3)
    await flow.chimes.ring()
    assert await flow.outstanding(sent) == {"undo|3|"}
    assert await flow.timers() == {("undo", "3", sent.correlation_id)}
    assert await flow.ledger(sent, "undo") == []
    await flow.chimes.ring()
    assert await flow.plan(sent.correlation_id) == {"undo:1", "undo:2"}


async def test_an_undoing_before_its_time_leaves_no_trace(flow: FlowCell) -> None:
    """Not even an entry in the inbox, though a clock may go back."""
    await broken_off(flow)
    ((raw, _),) = await flow.client.zrange(flow.keys.timers, 0, -1, withscores=True)
    await flow.client.zadd(flow.keys.timers, {raw: 2**52})
    before = await snapshot(flow.client, flow.keys)
    await flow.chimes._undo(Timer.read(raw))
    assert await snapshot(flow.client, flow.keys) == before
    await flow.hasten()
    await flow.chimes.ring()
    await flow.finish(await undoing(flow, WARM))


@both_ways
async def test_an_inbox_that_takes_none_undoes_nothing(flow: FlowCell, sabotage: Sabotage) -> None:
    """It is as it was, and tried again."""
    sent = await broken_off(flow)
    await sabotage(flow, flow.keys.inbox(WARM.group))
    await flow.chimes.ring()
    assert await flow.outstanding(sent) == {"undo|2|"}
    assert await flow.plan(sent.correlation_id) == {"undo:1", "undo:2"}
    assert (await flow.summary(sent))["undos"] == "2"
    await flow.client.delete(flow.keys.inbox(WARM.group))
    await flow.ring()  # the group is lost with its stream
    assert await flow.client.xlen(flow.keys.inbox(WARM.group)) == 0
    assert await flow.outstanding(sent) == {"undo|2|"}
    await flow.deploy(WARM, lost=True)
    await flow.ring()
    await flow.finish(await undoing(flow, WARM))


async def test_nothing_else_runs_meanwhile(flow: FlowCell) -> None:
    """A foreign event is taken in, suppressed by the roll-back, and changes no verdict."""
    sent = await broken_off(flow)
    await flow.xadd(FAILED, correlationid=sent.correlation_id)
    reply = await flow.admit(await flow.read_one(RESTORE))
    assert isinstance(reply, Suppressed)
    assert (reply.guard, reply.verdict, reply.told) == ("undo", "", False)
    await flow.chimes.ring()
    await flow.finish(await undoing(flow, WARM))
    await flow.chimes.ring()
    assert await flow.finish(await undoing(flow, RESTORE)) == Committed(verdict="partial")


async def test_a_replay_ends_the_roll_back(flow: FlowCell) -> None:
    """A person wants it to go on: what is not undone yet stays, whatever is done after."""
    sent = await broken_off(flow)
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    assert await flow.timers() == set()
    assert not any(m.startswith("undo") for m in await flow.outstanding(sent))
    assert "undoing" not in await flow.summary(sent)
    assert await flow.plan(sent.correlation_id) == {"undo:1", "undo:2"}
    (due,) = await flow.due(LAST, ALICE)
    assert await flow.finish(await flow.lease(due)) == Committed(verdict="completed")


async def test_a_replay_that_dies_again_rolls_back_all(flow: FlowCell) -> None:
    """The steps are undone in order, each once, those of the replay first."""
    last = handler(CacheWarmed, name="web.reopen", undo=undone)
    sent = await broken_off(flow)
    page = handler(CacheWarmed, name="pager.page")
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    (due,) = await flow.due(last, ALICE)
    await flow.deploy(page)
    await flow.publish(CacheWarmed(subject="x"), correlation_id=sent.correlation_id)
    for d in await flow.read(page):
        if d.envelope.subject == "x":
            await flow.bury(await flow.lease(d))
        else:
            await flow.skip(d)
    for d in await flow.read(last):
        await flow.skip(d)
    await flow.finish(await flow.lease(due))
    order = []
    for h in (last, WARM, RESTORE):
        await flow.chimes.ring()
        lease = await undoing(flow, h)
        order.append(lease.delivery.handler.group)
        await flow.finish(lease)
    assert order == [last.group, WARM.group, RESTORE.group]
    assert (await flow.summary(sent))["undone"] == "3"


async def test_a_replayed_undoing_takes_back_the_blame_alone(flow: FlowCell) -> None:
    """It was no person's wish that the recovery go on: its verdict stays."""
    sent = await broken_off(flow)
    await flow.cancel(sent.correlation_id)
    await flow.chimes.ring()
    await flow.give_up(await undoing(flow, WARM))
    await flow.chimes.ring()
    await flow.finish(await undoing(flow, RESTORE))
    letter = (await flow.letters())[-1]
    await flow.dead_letters.replay(letter)
    summary = await flow.summary(sent)
    assert (summary["status"], summary["notundone"]) == ("open", "1")
    assert "cancelled" in summary
    assert await flow.finish(await undoing(flow, WARM)) == Committed(verdict="cancelled")
    summary = await flow.summary(sent)
    assert (summary["notundone"], summary["undone"]) == ("0", "2")
    assert not any("undo" in name for name in summary if name.startswith("!"))


async def test_a_field_of_that_name_makes_no_undoing(flow: FlowCell) -> None:
    """Whoever writes to a stream may call a field `undo`; a replay lets go of it."""
    await flow.deploy(RESTORE)
    await flow.xadd(FAILED, undo='{"branches": {}, "published": []}')
    await flow.bury(await flow.take(RESTORE))
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    (delivery,) = await flow.due(RESTORE, ALICE)
    assert delivery.undo is None
    await flow.commit(await flow.lease(delivery))


async def test_a_join_is_undone_with_what_completed_it(flow: FlowCell) -> None:
    """Its undoing waits for no branch, and brings them all."""
    both = handler(all_of(DatabaseRestored, CacheWarmed), name="web.both", undo=undone)
    await flow.deploy(RESTORE, both, LAST)
    await flow.publish(FAILED)
    await flow.finish(await flow.take(RESTORE), RESTORED, CacheWarmed(subject="cache"))
    one, two = await flow.read(both)
    await flow.admit(one, payload=b"one")
    owner = flow.owner()
    run = await flow.admit(two, owner=owner, payload=b"two")
    assert isinstance(run, Run)
    keys = flow.calls().admit(two, owner, b"two").keys
    lease = Lease(two, owner, run.attempt, run.failures, run.token, keys)
    await flow.run(flow.finishing(lease, (), branches=run.branches))
    await flow.bury(await flow.take(LAST))
    await flow.chimes.ring()
    (delivery,) = await flow.due(both, BOB)
    assert delivery.undo is not None
    assert sorted(delivery.undo.branches.values()) == ["one", "two"]
    reply = await flow.admit(delivery, BOB)
    assert isinstance(reply, Run)
    assert reply.branches == {}


async def test_a_replay_is_refused_whole_in_a_roll_back(flow: FlowCell) -> None:
    """The roll-back goes on when the letter cannot be delivered."""
    await broken_off(flow)
    (letter,) = await flow.letters()
    await flow.client.delete(flow.keys.inbox(LAST.group))
    await flow.client.set(flow.keys.inbox(LAST.group), "no stream", px=60_000)
    before = await snapshot(flow.client, flow.keys)
    with pytest.raises(ScriptFailed, match="replay"):
        await flow.dead_letters.replay(letter)
    assert await snapshot(flow.client, flow.keys) == before


async def test_a_recovery_that_goes_on_keeps_what_can_be_undone(flow: FlowCell) -> None:
    """What expires with a closed record lasts again while it is open."""
    sent = await broken_off(flow, DatabaseFailed(subject="db"))
    plan = flow.keys.plan(sent.correlation_id)
    assert await flow.client.pttl(plan) > 0
    await flow.publish(FAILED, correlation_id=sent.correlation_id)
    assert (await flow.summary(sent))["status"] == "open"
    assert await flow.client.pttl(plan) == -1

"""What outgoing.lua promises of the events a delivery brings, in commit.lua and in bury.lua."""

from __future__ import annotations

import pytest

from antiphon.broker.faults import ScriptFailed
from antiphon.broker.replies import Committed, Refused
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseRestored,
    Failure,
    ServiceFailed,
    StepFailed,
)
from flowing import FlowCell, children
from sabotage import Sabotage, both_ways
from scripted import BOB, Sent, handler
from snapshots import changed, contents, snapshot


class GivenUp(Failure):
    """A step was given up."""

    type = "outgoing.given_up"


FAILED = ServiceFailed(subject="orders-db")
RESTORED = DatabaseRestored(subject="orders-db")
RESTORE = handler(ServiceFailed, name="orders.restore", on_failure=GivenUp)
WARM = handler(DatabaseRestored, name="cache.warm")
PROMOTE = handler(GivenUp, name="db.promote")
HEAR = handler(StepFailed, name="pager.hear")


async def opened(flow: FlowCell) -> Sent:
    await flow.deploy(RESTORE, WARM)
    return await flow.publish(FAILED)


async def test_now_later_and_a_child_in_one_commit(flow: FlowCell) -> None:
    """Each goes its way, in order, and the reply says where to."""
    sent = await opened(flow)
    ((child, first),) = started = children(CacheLost(subject="cache"))
    lease = await flow.take(RESTORE)
    out = flow.outgoing(
        lease, RESTORED, later=(CacheWarmed(subject="cache"), RESTORED), starts=started
    )
    reply = flow.settlement(await flow.run(flow.finishing(lease, out)))
    assert isinstance(reply, Committed)
    now, *delayed, begun = reply.detail
    assert delayed == ["", ""]
    ids = [o.envelope.id for o in out]
    assert await flow.outstanding(sent) == {
        f"database.restored|{now}|{WARM.group}",
        f"later|{ids[1]}|cache.warmed",
        f"later|{ids[2]}|database.restored",
        f"child|{child}|cache.lost",
    }
    assert await flow.timers() == {("later", i, sent.correlation_id) for i in ids[1:3]}
    ((entry_id, fields),) = await flow.client.xrange(flow.keys.events("cache.lost"))
    assert entry_id.decode() == begun
    assert (fields[b"recorded"], fields[b"id"].decode()) == (b"0", child)
    assert fields[b"correlationid"].decode() == child
    assert fields[b"parentid"].decode() == sent.correlation_id
    assert not await flow.client.exists(flow.keys.recovery(child))
    (row,) = await flow.ledger(sent, "child")
    assert (row["child"], row["event"], row["entry"]) == (child, child, begun)
    assert (row["type"], row["subject"], row["by"]) == ("cache.lost", "cache", RESTORE.group)
    assert first.subject == "cache"
    assert (await flow.summary(sent))["events"] == "2"


async def test_repeating_it_changes_nothing(flow: FlowCell) -> None:
    """No second timer, entry or child."""
    await opened(flow)
    lease = await flow.take(RESTORE)
    out = flow.outgoing(lease, RESTORED, later=(RESTORED,), starts=children(FAILED))
    call = flow.finishing(lease, out)
    await flow.run(call)
    before = await snapshot(flow.client, flow.keys)
    assert await flow.run(call) == [3]
    assert await snapshot(flow.client, flow.keys) == before


@pytest.mark.parametrize("ending", ["commit", "bury"])
async def test_who_lost_the_lease_brings_nothing(flow: FlowCell, ending: str) -> None:
    """Only the refusal is noted."""
    sent = await opened(flow)
    await flow.deploy(HEAR)
    lease = await flow.take(RESTORE)
    await flow.claim(RESTORE, BOB)
    out = flow.outgoing(lease, RESTORED, later=(RESTORED,), starts=children(FAILED))
    call = flow.finishing(lease, out) if ending == "commit" else flow.burying(lease)
    before = await snapshot(flow.client, flow.keys)
    assert flow.settlement(await flow.run(call)) == Refused()
    ledger = flow.keys.ledger(sent.correlation_id)
    assert changed(before, await snapshot(flow.client, flow.keys)) == {ledger}


@both_ways
@pytest.mark.parametrize("broken", ["database.restored", "cache.lost"])
async def test_a_commit_with_a_child_is_refused_whole(
    flow: FlowCell, sabotage: Sabotage, broken: str
) -> None:
    """When the child cannot begin nothing else happens either, and the other way round."""
    await opened(flow)
    lease = await flow.take(RESTORE)
    out = flow.outgoing(
        lease, RESTORED, later=(RESTORED,), starts=children(CacheLost(subject="cache"))
    )
    await sabotage(flow, flow.keys.events(broken))
    before = await contents(flow.client, flow.keys)
    with pytest.raises(ScriptFailed, match="commit"):
        await flow.run(flow.finishing(lease, out))
    assert await contents(flow.client, flow.keys) == before


async def test_a_death_that_is_answered_is_a_branch(flow: FlowCell) -> None:
    """The letter is kept, nobody is blamed, and the handlers of the answer decide."""
    sent = await opened(flow)
    await flow.deploy(PROMOTE)
    reply = await flow.give_up(await flow.take(RESTORE))
    assert isinstance(reply, Committed)
    letter, answer, heard = reply.detail
    assert (reply.verdict, heard) == ("", "")
    assert await flow.client.xlen(flow.keys.dead) == 1
    assert await flow.outstanding(sent) == {f"outgoing.given_up|{answer}|{PROMOTE.group}"}
    assert (await flow.summary(sent)).get("dead", "0") == "0"
    died, published = (await flow.ledger(sent))[-2:]
    assert (died["kind"], died["dead"]) == ("died", letter)
    assert (published["kind"], published["type"]) == ("published", "outgoing.given_up")
    assert await flow.commit(await flow.take(PROMOTE)) == Committed(verdict="completed")


async def test_an_answer_that_nobody_hears_is_blamed(flow: FlowCell) -> None:
    """Then the failure is unanswered, and the death itself still is no loss of its own."""
    sent = await opened(flow)
    reply = await flow.give_up(await flow.take(RESTORE))
    assert isinstance(reply, Committed)
    assert reply.verdict == "failed"
    summary = await flow.summary(sent)
    assert (summary.get("dead", "0"), summary["unanswered"]) == ("0", "1")


async def test_a_fact_that_nobody_hears_is_no_answer(flow: FlowCell) -> None:
    """A death is a loss, then; heard, it is a branch like any other."""
    step = handler(ServiceFailed, name="orders.fact", on_failure=lambda *_: RESTORED)
    await flow.deploy(step)
    sent = await flow.publish(FAILED)
    await flow.give_up(await flow.take(step))
    summary = await flow.summary(sent)
    assert (summary["verdict"], summary["dead"]) == ("failed", "1")
    await flow.deploy(WARM)
    sent = await flow.publish(FAILED)
    await flow.give_up(await flow.take(step))
    await flow.commit(await flow.lease((await flow.read(WARM))[-1]))
    summary = await flow.summary(sent)
    assert (summary["verdict"], summary.get("dead", "0")) == ("completed", "0")


async def test_a_death_is_told_to_whoever_listens(flow: FlowCell) -> None:
    """`StepFailed` is written when somebody subscribes to it, and changes no verdict."""
    step = handler(ServiceFailed, name="orders.plain")
    await flow.deploy(step)
    sent = await flow.publish(FAILED)
    reply = await flow.give_up(await flow.take(step))
    assert isinstance(reply, Committed)
    assert (reply.verdict, reply.detail[1:]) == ("failed", ("",))
    assert not await flow.client.exists(flow.keys.events("step.failed"))

    await flow.deploy(HEAR)
    sent = await flow.publish(FAILED)
    reply = await flow.give_up(await flow.take(step))
    assert isinstance(reply, Committed)
    (_, heard) = reply.detail
    assert await flow.outstanding(sent) == {f"step.failed|{heard}|{HEAR.group}"}
    assert (await flow.summary(sent))["dead"] == "1"
    assert await flow.commit(await flow.take(HEAR)) == Committed(verdict="partial")


@both_ways
@pytest.mark.parametrize("broken", ["outgoing.given_up", "dead"])
async def test_a_burial_is_refused_whole(flow: FlowCell, sabotage: Sabotage, broken: str) -> None:
    """Neither an answer without its letter, nor a letter without its answer."""
    sent = await opened(flow)
    await flow.deploy(PROMOTE, HEAR)
    lease = await flow.take(RESTORE)
    await sabotage(flow, flow.keys.dead if broken == "dead" else flow.keys.events(broken))
    before = await contents(flow.client, flow.keys)
    with pytest.raises(ScriptFailed, match="bury"):
        await flow.give_up(lease)
    assert await contents(flow.client, flow.keys) == before
    assert await flow.outstanding(sent) == sent.owed(RESTORE)

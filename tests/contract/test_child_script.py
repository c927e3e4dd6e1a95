"""What child.lua promises: a recovery waits for those it started, and hears how they ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import orjson
import pytest

from antiphon.duties.auditor import Auditor
from antiphon_events import CacheLost, ChildClosed, RecoveryCompleted, ServiceFailed
from flowing import FlowCell, children, turns
from sabotage import Sabotage, both_ways
from scripted import ALICE, BOB, Sent, handler
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-db")
LOST = CacheLost(subject="cache")
RESTORE = handler(ServiceFailed, name="orders.restore")
REFILL = handler(CacheLost, name="cache.refill")
HEAR = handler(ChildClosed.about("cache"), name="orders.hear")


async def begun(flow: FlowCell, *more: object) -> tuple[Sent, str]:
    """A recovery that waits for nothing but its child."""
    await flow.deploy(RESTORE, REFILL, *more)  # type: ignore[arg-type]
    sent = await flow.publish(FAILED)
    ((child, _),) = started = children(LOST)
    await flow.finish(await flow.take(RESTORE), starts=started)
    assert await flow.outstanding(sent) == {f"child|{child}|cache.lost"}
    return sent, child


async def test_a_child_is_a_recovery_of_its_own(flow: FlowCell) -> None:
    """Adopted at first sight, with its parent in the record; it opens no incident."""
    sent, child = await begun(flow)
    lease = await flow.take(REFILL)
    record = await flow.client.hgetall(flow.keys.recovery(child))
    assert (record[b"status"], record[b"parent"].decode()) == (b"open", sent.correlation_id)
    assert (record[b"source"], record[b"type"]) == (b"redis", b"cache.lost")
    (opened, *_) = await flow.client.xrange(flow.keys.ledger(child))
    assert opened[1][b"parent"].decode() == sent.correlation_id
    assert lease.delivery.envelope.correlation_id == child
    assert not await flow.client.exists(flow.keys.incident("cache.lost", "cache")[2])


async def test_its_end_is_told_to_the_parent(flow: FlowCell) -> None:
    """About the child's subject, as a delivery of the parent; then nothing is waited for."""
    sent, child = await begun(flow, HEAR)
    reply = await flow.commit(await flow.take(REFILL))
    assert (reply.verdict, reply.prompt) == ("completed", True)  # type: ignore[union-attr]
    assert await flow.timers() == {("child", sent.correlation_id, child)}
    assert await flow.chimes.ring() is False
    ((entry_id, fields),) = await flow.client.xrange(flow.keys.events("child.closed"))
    assert fields[b"id"].decode() == f"{child}:closed:1"
    assert fields[b"correlationid"].decode() == sent.correlation_id
    assert fields[b"causationid"].decode() == sent.envelope.id
    assert fields[b"hops"] == b"2"
    assert (fields[b"subject"], fields[b"recorded"]) == (b"cache", b"1")
    assert orjson.loads(fields[b"data"]) == {
        "child": child,
        "event_type": "cache.lost",
        "verdict": "completed",
    }
    (row,) = await flow.ledger(sent, "child_closed")
    assert (row["child"], row["verdict"]) == (child, "completed")
    assert row["event"] == f"{child}:closed:1"
    assert await flow.outstanding(sent) == {f"child.closed|{entry_id.decode()}|{HEAR.group}"}
    assert (await flow.timers(), await flow.plan(sent.correlation_id)) == (set(), set())
    await flow.commit(await flow.take(HEAR))
    assert (await flow.summary(sent))["verdict"] == "completed"


@pytest.mark.parametrize(("ended", "verdict"), [("commit", "completed"), ("bury", "partial")])
async def test_nobody_hears_it(flow: FlowCell, ended: str, verdict: str) -> None:
    """A child that did not complete then counts as unanswered; one that did is no fault."""
    sent, child = await begun(flow)
    await getattr(flow, ended)(await flow.take(REFILL))
    await flow.chimes.ring()
    summary = await flow.summary(sent)
    assert summary["verdict"] == verdict
    (closing,) = await flow.closings(sent)
    reasons = orjson.loads(closing[b"data"])["reasons"]
    assert (child in "".join(reasons)) == (ended == "bury")


async def test_who_hears_it_answers_for_it(flow: FlowCell) -> None:
    """However the child ended, the handler of that decides."""
    sent, _ = await begun(flow, HEAR)
    await flow.bury(await flow.take(REFILL))
    await flow.chimes.ring()
    assert (await flow.summary(sent)).get("unanswered", "0") == "0"
    await flow.commit(await flow.take(HEAR))
    assert (await flow.summary(sent))["verdict"] == "completed"


async def test_it_is_told_once(flow: FlowCell) -> None:
    """Two workers at once, a child that closes again later: the parent has heard."""
    sent, child = await begun(flow)
    await flow.bury(await flow.take(REFILL))
    await asyncio.gather(flow.chimes.ring(), flow.chimes.ring())
    assert len(await flow.ledger(sent, "child_closed")) == 1
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    (due,) = await flow.due(REFILL, BOB)
    await flow.commit(await flow.lease(due, BOB), by=BOB)
    assert await flow.timers() == {("child", sent.correlation_id, child)}
    await flow.chimes.ring()
    assert await flow.timers() == set()
    assert len(await flow.ledger(sent, "child_closed")) == 1
    assert await flow.client.xlen(flow.keys.events("child.closed")) == 1


async def test_a_child_that_is_open_again_is_waited_for(flow: FlowCell) -> None:
    """Its timer is let go, and set again when it closes."""
    sent, child = await begun(flow)
    await flow.bury(await flow.take(REFILL))
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    await flow.chimes.ring()
    assert await flow.timers() == set()
    assert await flow.outstanding(sent) == {f"child|{child}|cache.lost"}
    (due,) = await flow.due(REFILL, BOB)
    await flow.commit(await flow.lease(due, BOB), by=BOB)
    await flow.chimes.ring()
    ((_, fields),) = await flow.client.xrange(flow.keys.events("child.closed"))
    assert fields[b"id"].decode() == f"{child}:closed:2"
    assert (await flow.summary(sent))["verdict"] == "completed"


@both_ways
async def test_what_cannot_be_told_is_kept(flow: FlowCell, sabotage: Sabotage) -> None:
    """The parent waits until it can."""
    sent, child = await begun(flow)
    await flow.commit(await flow.take(REFILL))
    await sabotage(flow, flow.keys.events("child.closed"))
    before = dict(await snapshot(flow.client, flow.keys))
    await flow.chimes.ring()
    after = dict(await snapshot(flow.client, flow.keys))
    assert before.pop(flow.keys.timers) != after.pop(flow.keys.timers)
    assert before == after
    await flow.client.delete(flow.keys.events("child.closed"))
    await flow.ring()
    assert (await flow.summary(sent))["verdict"] == "completed"
    assert child


async def test_a_recovery_that_is_over_waits_for_no_child(flow: FlowCell) -> None:
    """A handler of its closing may start one: it goes its own way."""
    hear = handler(RecoveryCompleted, name="pager.hear")
    await flow.deploy(RESTORE, REFILL, hear)
    sent = await flow.publish(FAILED)
    await flow.commit(await flow.take(RESTORE))
    await flow.finish(await flow.take(hear), starts=children(LOST))
    assert (await flow.summary(sent))["status"] == "closed"
    assert (await flow.outstanding(sent), await flow.plan(sent.correlation_id)) == (set(), set())
    await flow.commit(await flow.take(REFILL))
    await flow.ring_out()
    assert (await flow.summary(sent))["closes"] == "1"
    assert await flow.timers() == set()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_child_that_nobody_hears_is_given_up(flow: FlowCell, *, cancelled: bool) -> None:
    """Also when it was cancelled before it began; one that has begun is waited for."""
    sent, child = await begun(flow)
    if cancelled:
        await flow.cancel(sent.correlation_id)
    settings = flow.settings.model_copy(update={"unheard_after": timedelta(hours=1)})
    auditor = Auditor(turns(flow, settings))
    await auditor.once()
    assert await flow.plan(sent.correlation_id) == set()
    verdict = "cancelled" if cancelled else "partial"
    assert (await flow.summary(sent))["verdict"] == verdict
    await flow.admit(await flow.read_one(REFILL), ALICE)
    await auditor.once()
    assert await flow.client.hget(flow.keys.recovery(child), "status") is not None

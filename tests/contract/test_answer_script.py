"""What answer.lua promises: one person, one answer, and one decision."""

from __future__ import annotations

import pytest

from antiphon.broker.faults import ScriptFailed
from antiphon.broker.replies import (
    Committed,
    OnHold,
    Run,
    Suppressed,
)
from antiphon.errors import AntiphonError
from antiphon_events import ServiceFailed
from asking import asked, gate, kinds, only, over
from flowing import FlowCell
from sabotage import Sabotage, both_ways
from scripted import ALICE
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-db")


async def test_a_quorum_grants(flow: FlowCell) -> None:
    """Each vote is a row; the last one brings the delivery forward, and it runs once asked."""
    sent, d, _ = await asked(flow, gate("ana", "ben", quorum=2))
    one = await flow.vote(d, "ana", grant=True)
    assert (one.state, one.votes, one.quorum) == ("pending", 1, 2)
    held = await flow.admit(d)
    assert isinstance(held, OnHold)
    assert held.value == 1
    assert await flow.due(d.handler) == []
    two = await flow.vote(d, "ben", grant=True)
    assert (two.state, two.votes) == ("granted", 2)
    rows = await flow.ledger(sent, "approved")
    assert [(r["by"], r["votes"], r["reason"]) for r in rows] == [
        ("ana", "1", "seen it"),
        ("ben", "2", "seen it"),
    ]
    assert await flow.asked() == set()
    assert await kinds(flow, "granted", "denied") == [f"{rows[0]['approval']}:granted"]
    audit = [f for _, f in await flow.client.xrange(flow.keys.audit)]
    assert [(f[b"action"], f[b"by"]) for f in audit] == [(b"approve", b"ana"), (b"approve", b"ben")]
    (due,) = await flow.due(d.handler, ALICE)
    lease = await flow.lease(due)
    assert (await flow.request(d))["state"] == "used"
    await flow.postpone(lease)
    (due,) = await flow.due(d.handler, ALICE)
    assert await flow.commit(await flow.lease(due)) == Committed(verdict="completed")
    assert await flow.client.exists(flow.keys.held) == 0


async def test_one_refusal_denies(flow: FlowCell) -> None:
    """Whatever the quorum: the step is suppressed, and the reason is kept."""
    sent, d, _ = await asked(flow, gate("ana", "ben", quorum=2))
    await flow.vote(d, "ana", grant=True)
    no = await flow.vote(d, "ben", grant=False)
    assert (no.state, no.votes) == ("denied", 1)
    assert len(await flow.ledger(sent, "denied")) == 1
    assert len(await kinds(flow, "denied")) == 1
    (due,) = await flow.due(d.handler, ALICE)
    reply = await flow.admit(due)
    assert isinstance(reply, Suppressed)
    assert (reply.guard, reply.why, reply.verdict) == (
        "approval",
        "denied by ben: seen it",
        "failed",
    )
    assert not reply.told
    assert await flow.ledger(sent, "expired") == []
    assert await flow.asked() == set()
    assert await flow.ledger(sent, "escalated") == []


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("redis", "asked for this recovery"),
        ("zoe", "may not answer"),
        ("ana", "has answered already"),
    ],
)
async def test_who_may_not_answer_changes_nothing(flow: FlowCell, by: str, why: str) -> None:
    """Whoever asked for the recovery, a stranger, and who has answered before."""
    _, d, _ = await asked(flow, gate("ana", "ben", "redis", quorum=2))
    await flow.vote(d, "ana", grant=True)
    before = await snapshot(flow.client, flow.keys)
    for grant in (True, False):
        with pytest.raises(AntiphonError, match=why):
            await flow.vote(d, by, grant=grant)
    assert await snapshot(flow.client, flow.keys) == before


async def test_what_is_over_is_not_answered(flow: FlowCell) -> None:
    """A request that is unknown, decided, expired, or of a recovery that does not go on."""
    h = gate("ana", "ben", otherwise="deny")
    sent, d, _ = await asked(flow, h)
    with pytest.raises(AntiphonError, match="waits"):
        await flow.approvals.answer("nothing", by="ana", grant=True, reason="")
    key = flow.keys.approval(await only(flow))
    due = (await flow.request(d))["due"]
    await flow.client.hset(key, "due", 1)
    before = await snapshot(flow.client, flow.keys)
    with pytest.raises(AntiphonError, match="too late"):
        await flow.vote(d, "ana", grant=True)
    assert await snapshot(flow.client, flow.keys) == before
    await flow.client.hset(key, "due", due)
    for flaw in ("halted", "cancelled"):
        await flow.client.hset(flow.keys.recovery(sent.correlation_id), flaw, "x")
        before = await snapshot(flow.client, flow.keys)
        with pytest.raises(AntiphonError, match="does not go on"):
            await flow.vote(d, "ana", grant=True)
        assert await snapshot(flow.client, flow.keys) == before
        await flow.client.hdel(flow.keys.recovery(sent.correlation_id), flaw)
    await flow.vote(d, "ana", grant=True)
    before = await snapshot(flow.client, flow.keys)
    with pytest.raises(AntiphonError, match="was granted by ana"):
        await flow.vote(d, "ben", grant=False)
    assert await snapshot(flow.client, flow.keys) == before


@both_ways
async def test_an_answer_is_refused_whole(flow: FlowCell, sabotage: Sabotage) -> None:
    """Without a note of who gave it, it may be given again."""
    _, d, _ = await asked(flow, gate("ana"))
    await sabotage(flow, flow.keys.audit)
    before = await snapshot(flow.client, flow.keys)
    with pytest.raises(ScriptFailed, match="answer"):
        await flow.vote(d, "ana", grant=True)
    assert await snapshot(flow.client, flow.keys) == before
    await flow.client.delete(flow.keys.audit)
    assert (await flow.vote(d, "ana", grant=True)).state == "granted"


@both_ways
@pytest.mark.parametrize("kind", ["requested", "granted", "denied", "expired"])
async def test_silenced_news_changes_nothing(flow: FlowCell, sabotage: Sabotage, kind: str) -> None:
    """A stream that takes no entry keeps nobody from asking, answering, or giving up."""
    await flow.deploy(h := gate("ana", otherwise="deny"))
    await sabotage(flow, flow.keys.events(f"approval.{kind}"))
    await flow.publish(FAILED)
    delivery = await flow.read_one(h)
    assert isinstance(await flow.admit(delivery), OnHold)
    if kind == "expired":
        assert isinstance(await over(flow, delivery), Suppressed)
    else:
        await flow.vote(delivery, "ana", grant=kind != "denied")
        kind_of = Suppressed if kind == "denied" else Run
        assert isinstance(await flow.admit(delivery), kind_of)


async def test_the_first_tier_may_answer_late_while_another_follows(flow: FlowCell) -> None:
    """Its time being over lets others answer as well; it forbids nobody."""
    _, d, _ = await asked(flow, gate("ana", then=(("ben",),), otherwise="deny"))
    await flow.client.hset(flow.keys.approval(await only(flow)), "due", 1)
    assert (await flow.vote(d, "ana", grant=True)).state == "granted"

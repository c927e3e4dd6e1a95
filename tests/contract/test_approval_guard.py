"""What approval.lua and consent.lua promise of a delivery that people must agree to."""

from __future__ import annotations

import orjson
import pytest

from antiphon.broker.replies import (
    Closed,
    Duplicate,
    OnHold,
    Run,
    Suppressed,
    Waiting,
)
from antiphon.duties.janitor import Janitor
from antiphon.errors import AntiphonError
from antiphon_events import ServiceFailed
from asking import asked, gate, kinds, only, over
from flowing import FlowCell, turns, undone
from scripted import ALICE, BOB, HOUR_MS
from snapshots import changed, snapshot

FAILED = ServiceFailed(subject="orders-db")


async def test_the_first_look_asks(flow: FlowCell) -> None:
    """The request says what is asked of whom; the delivery is held and stays outstanding."""
    sent, d, reply = await asked(flow, gate("ana", "ben", quorum=2))
    request = await flow.request(d)
    assert (reply.guard, reply.name, reply.limit, reply.value) == (
        "approval",
        await only(flow),
        2,
        0,
    )
    assert reply.fresh
    assert (request["state"], request["tier"], request["quorum"]) == ("pending", "1", "2")
    assert orjson.loads(request["who"]) == ["ana", "ben"]
    assert (request["delivery"], request["event"]) == (d.name, sent.envelope.id)
    assert (request["requester"], request["last"]) == ("redis", "1")
    assert int(request["due"]) == reply.due_ms
    now_ms = int((await flow.client.time())[0]) * 1000
    assert abs(reply.due_ms - now_ms - HOUR_MS) < 60_000
    due = await flow.client.zscore(flow.keys.due(d.handler.group), f"{d.label}|{d.entry_id}")
    assert due == reply.due_ms
    assert await flow.outstanding(sent) == {d.name}
    (row,) = await flow.ledger(sent, "asked")
    assert (row["approval"], row["who"], row["quorum"]) == (reply.name, "ana,ben", "2")
    (held,) = await flow.ledger(sent, "held")
    assert (held["guard"], held["name"]) == ("approval", reply.name)
    ((_, fields),) = await flow.client.xrange(flow.keys.events("approval.requested"))
    data = orjson.loads(fields[b"data"])
    assert (data["approvers"], data["quorum"], data["requester"]) == (["ana", "ben"], 2, "redis")
    assert data["expires_ms"] == reply.due_ms
    ttl = await flow.client.pttl(flow.keys.approval(reply.name))
    assert ttl > HOUR_MS


async def test_looking_again_asks_nobody_again(flow: FlowCell) -> None:
    """Neither by the same worker nor by another."""
    sent, d, _ = await asked(flow, gate("ana"))
    again = await flow.admit(d)
    assert isinstance(again, OnHold)
    assert not again.fresh
    await flow.client.zadd(flow.keys.due(d.handler.group), {f"{d.label}|{d.entry_id}": 0})
    (taken,) = await flow.due(d.handler, BOB)
    assert isinstance(await flow.admit(taken, BOB), OnHold)
    assert len(await flow.ledger(sent, "asked", "held")) == 2
    assert len(await kinds(flow, "requested")) == 1


async def test_time_is_over_and_the_step_is_denied(flow: FlowCell) -> None:
    """Given up, said, and kept: no answer counts any more."""
    sent, d, _ = await asked(flow, gate("ana", otherwise="deny"))
    reply = await over(flow, d)
    assert isinstance(reply, Suppressed)
    assert (reply.why, reply.verdict, reply.told) == ("nobody answered in time", "failed", False)
    (row,) = await flow.ledger(sent, "expired")
    assert (row["otherwise"], row["tier"]) == ("deny", "1")
    assert (await flow.request(d))["state"] == "denied"
    assert await flow.asked() == set()
    assert len(await kinds(flow, "expired")) == 1
    assert not await flow.client.exists(flow.keys.held)


async def test_time_is_over_and_the_step_proceeds(flow: FlowCell) -> None:
    """It runs, and the record says that nobody had agreed."""
    sent, d, _ = await asked(flow, gate("ana", otherwise="proceed"))
    assert isinstance(await over(flow, d), Run)
    (row,) = await flow.ledger(sent, "expired")
    assert row["otherwise"] == "proceed"
    assert (await flow.request(d))["state"] == "used"
    assert await flow.asked() == set()
    (lease,) = await flow.claim(d.handler, BOB)
    assert isinstance(await flow.admit(lease, BOB), Run)
    assert len(await flow.ledger(sent, "expired")) == 1


async def test_time_is_over_and_people_are_told(flow: FlowCell) -> None:
    """Once; it goes on waiting and can still be given, or refused."""
    sent, d, _ = await asked(flow, gate("ana"))
    for _ in range(2):
        reply = await flow.admit(d) if await flow.ledger(sent, "expired") else await over(flow, d)
        assert isinstance(reply, OnHold)
        assert not reply.fresh
    assert (await flow.request(d))["due"] == ""
    assert len(await flow.ledger(sent, "expired", "escalated")) == 2
    assert (await flow.ledger(sent, "expired"))[0]["otherwise"] == "escalate"
    assert len(await flow.asked()) == 1
    await flow.vote(d, "ana", grant=True)
    assert isinstance(await flow.admit(d), Run)


async def test_time_is_over_and_the_next_tier_is_asked(flow: FlowCell) -> None:
    """Those of before still may; the last tier over, what was declared follows."""
    sent, d, _ = await asked(flow, gate("ana", then=(("ben",),), otherwise="deny"))
    with pytest.raises(AntiphonError, match="ben may not answer"):
        await flow.vote(d, "ben", grant=True)
    assert isinstance(await over(flow, d), OnHold)
    request = await flow.request(d)
    assert (request["tier"], request["last"]) == ("2", "1")
    assert orjson.loads(request["who"]) == ["ana", "ben"]
    assert int(request["due"]) > 1
    rows = await flow.ledger(sent, "asked", "expired")
    assert [(r["kind"], r["tier"]) for r in rows] == [
        ("asked", "1"),
        ("expired", "1"),
        ("asked", "2"),
    ]
    assert len(set(await kinds(flow, "requested", "expired"))) == 3
    assert isinstance(await over(flow, d), Suppressed)


async def test_without_a_time_it_waits_for_ever(flow: FlowCell) -> None:
    """It is looked at now and then, and its request lives as long."""
    _, d, reply = await asked(flow, gate("ana", within=None))
    assert (await flow.request(d))["due"] == ""
    assert await flow.client.pttl(flow.keys.approval(reply.name)) > HOUR_MS
    await flow.vote(d, "ana", grant=True)
    assert isinstance(await flow.admit(d), Run)


async def test_a_delivery_that_ends_takes_its_request_along(flow: FlowCell) -> None:
    """Cancelled, it asks nobody any more; an answer comes too late."""
    sent, d, _ = await asked(flow, gate("ana"))
    await flow.cancel(sent.correlation_id)
    (due,) = await flow.due(d.handler, ALICE)
    assert isinstance(await flow.admit(due), Suppressed)
    assert (await flow.request(d))["state"] == "over"
    assert await flow.asked() == set()
    with pytest.raises(AntiphonError, match="has ended"):
        await flow.vote(d, "ana", grant=True)


@pytest.mark.parametrize("ended", ["commit", "bury"])
async def test_a_delivery_that_waits_for_its_key_goes_on_asking(flow: FlowCell, ended: str) -> None:
    """Another has the effect in hand: its end decides whether anybody need agree."""
    h = gate("ana", key="{subject}")
    await flow.deploy(h)
    for _ in range(2):
        await flow.publish(FAILED)
    first, second = await flow.read(h)
    for d in (first, second):
        assert isinstance(await flow.admit(d), OnHold)
    await flow.vote(second, "ana", grant=True)
    lease = await flow.lease(second)
    assert isinstance(await flow.admit(first), Waiting)
    assert len(await flow.asked()) == 1
    await getattr(flow, ended)(lease)
    again = await flow.admit(first)
    if ended == "commit":
        assert isinstance(again, Duplicate)
        assert await flow.asked() == set()
        assert not await flow.client.exists(flow.keys.held)
        return
    assert isinstance(again, OnHold)
    assert not again.fresh
    assert len(await kinds(flow, "requested")) == 2
    await flow.vote(first, "ana", grant=True)
    assert isinstance(await flow.admit(first), Run)


@pytest.mark.parametrize("state", ["over", "used"])
async def test_what_is_asked_anew_has_all_its_time(flow: FlowCell, state: str) -> None:
    """An earlier request, whose time is long over, decides nothing."""
    _, d, reply = await asked(flow, gate("ana", otherwise="proceed"))
    await flow.client.hset(
        flow.keys.approval(reply.name), mapping={"state": state, "due": 1, "vote:ana": 1}
    )
    assert isinstance(await flow.admit(d), OnHold)
    request = await flow.request(d)
    assert (request["state"], request["tier"]) == ("pending", "1")
    assert int(request["due"]) == reply.due_ms or int(request["due"]) > reply.due_ms
    assert (await flow.vote(d, "ana", grant=True)).state == "granted"


async def test_a_duplicate_asks_nobody(flow: FlowCell) -> None:
    """And takes back what it had asked."""
    h = gate("ana", key="{subject}")
    await flow.deploy(h)
    for _ in range(2):
        await flow.publish(FAILED)
    first, second = await flow.read(h)
    for d in (first, second):
        assert isinstance(await flow.admit(d), OnHold)
    await flow.vote(second, "ana", grant=True)
    await flow.commit(await flow.lease(second))
    assert isinstance(await flow.admit(first), Duplicate)
    assert await flow.asked() == set()
    assert not await flow.client.exists(flow.keys.held)


async def test_it_holds_for_one_delivery(flow: FlowCell) -> None:
    """What is replayed is asked about again, and refused for good if it is."""
    sent, d, _ = await asked(flow, gate("ana"))
    await flow.vote(d, "ana", grant=True)
    await flow.bury(await flow.lease(d))
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    (again,) = await flow.due(d.handler, ALICE)
    assert isinstance(await flow.admit(again), OnHold)
    await flow.vote(again, "ana", grant=False)
    reply = await flow.admit(again)
    assert isinstance(reply, Suppressed)
    assert reply.verdict == "failed"
    assert len(await flow.ledger(sent, "asked")) == 2


async def test_an_undoing_needs_no_approval(flow: FlowCell) -> None:
    """What was agreed to is taken back without asking."""
    h = gate("ana", undo=undone)
    sent, d, _ = await asked(flow, h)
    await flow.vote(d, "ana", grant=True)
    lease = await flow.lease(d)
    await flow.cancel(sent.correlation_id)
    await flow.finish(lease)
    await flow.chimes.ring()
    (due,) = await flow.due(h, ALICE)
    assert isinstance(await flow.admit(due), Run)


async def test_a_closed_recovery_asks_nobody(flow: FlowCell) -> None:
    """A lost group reads its entries again: what is over is over."""
    h = gate("ana")
    _, d, _ = await asked(flow, h)
    await flow.vote(d, "ana", grant=False)
    await flow.admit(d)
    await flow.client.xgroup_destroy(flow.keys.events("service.failed"), h.group)
    await flow.deploy(h, lost=True)
    before = await snapshot(flow.client, flow.keys)
    again = await flow.read_one(h)
    assert await flow.admit(again) == Closed()
    assert changed(before, await snapshot(flow.client, flow.keys)) == {
        flow.keys.events("service.failed")
    }


async def test_a_request_that_expired_unseen_is_forgotten(flow: FlowCell) -> None:
    """Its delivery was passed over, or lost: the janitor removes it from what waits."""
    _, d, reply = await asked(flow, gate("ana"))
    janitor = Janitor(turns(flow, flow.settings))
    await janitor.once()
    assert await flow.asked() == {reply.name}
    await flow.skip(d)
    await flow.client.delete(flow.keys.approval(reply.name))
    await janitor.once()
    assert await flow.asked() == set()

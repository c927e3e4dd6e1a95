"""What join.lua promises: a join is durable, complete in any order, and fires once."""

from __future__ import annotations

import pytest

from antiphon import all_of, any_of, n_of
from antiphon.broker.replies import (
    UNNAMED,
    Arrived,
    Committed,
    Duplicate,
    Run,
    Waiting,
    admission,
)
from antiphon.flow.join import Losers, branch_name
from antiphon_events import CacheWarmed, DatabaseRestored, Event, ServiceFailed, ServiceRestarted
from scripted import BOB, ScriptedCell, Sent, handler

FAILED = ServiceFailed(subject="orders-db")
WARMED = CacheWarmed(subject="orders-cache")
RESTARTED = ServiceRestarted(subject="orders-api")
RESTORED = DatabaseRestored(subject="orders-db")
ROOT = handler(ServiceFailed, name="orders.restore")
BOTH = handler(all_of(CacheWarmed, ServiceRestarted), name="web.reopen")
WARMED_BRANCH, RESTARTED_BRANCH = (branch_name(s) for s in BOTH.selectors)


async def begin(work: ScriptedCell) -> Sent:
    """Open a recovery that a first step keeps open."""
    await work.deploy(ROOT, BOTH)
    return await work.publish(FAILED)


async def arrive(work: ScriptedCell, event: Event, root: Sent) -> Sent:
    return await work.publish(event, correlation_id=root.correlation_id)


async def test_a_branch_waits_for_the_others(work: ScriptedCell) -> None:
    """It is kept and acknowledged: nothing is pending, and the ledger counts what arrived."""
    root = await begin(work)
    sent = await arrive(work, WARMED, root)
    reply = await work.admit(await work.read_one(BOTH), payload=b"the cache")
    assert reply == Arrived(have=1, need=2, verdict="")
    assert await work.outstanding(root) == root.owed(ROOT)
    stream = work.keys.events("cache.warmed")
    assert (await work.client.xpending(stream, BOTH.group))["pending"] == 0
    (joined,) = await work.ledger(root, "joined")
    assert (joined["have"], joined["need"], joined["entry"]) == ("1", "2", sent.entry_id)
    kept = work.keys.join(BOTH.group, root.correlation_id)
    assert await work.client.hgetall(kept) == {WARMED_BRANCH.encode(): b"the cache"}
    assert await work.client.pttl(kept) > 0


async def test_the_last_branch_runs_with_all_of_them(work: ScriptedCell) -> None:
    """The handler gets what every branch brought, in whatever order they came."""
    for first, second in ((WARMED, RESTARTED), (RESTARTED, WARMED)):
        root = await begin(work)
        await arrive(work, first, root)
        await work.admit(await work.read_one(BOTH), payload=first.type.encode())
        await arrive(work, second, root)
        delivery = await work.read_one(BOTH)
        owner = work.owner()
        run = await work.admit(delivery, owner=owner, payload=second.type.encode())
        assert isinstance(run, Run)
        assert run.branches == {
            WARMED_BRANCH: b"cache.warmed",
            RESTARTED_BRANCH: b"service.restarted",
        }
        assert await work.admit(delivery, owner=owner) == run


async def test_a_branch_that_comes_twice_counts_once(work: ScriptedCell) -> None:
    """Two caches warmed are one branch; the later event is the one that is kept."""
    root = await begin(work)
    for payload in (b"first", b"second"):
        await arrive(work, WARMED, root)
        reply = await work.admit(await work.read_one(BOTH), payload=payload)
        assert reply == Arrived(have=1, need=2, verdict="")
    await arrive(work, RESTARTED, root)
    run = await work.admit(await work.read_one(BOTH))
    assert isinstance(run, Run)
    assert run.branches[WARMED_BRANCH] == b"second"


async def test_a_join_fires_once(work: ScriptedCell) -> None:
    """While it runs further branches wait, and once it is done they are duplicates."""
    root = await begin(work)
    await arrive(work, WARMED, root)
    await work.admit(await work.read_one(BOTH))
    await arrive(work, RESTARTED, root)
    lease = await work.take(BOTH)
    again = await arrive(work, RESTARTED, root)
    delivery = await work.read_one(BOTH)
    assert isinstance(await work.admit(delivery), Waiting)
    assert await work.outstanding(root) >= again.owed(BOTH)
    await work.commit(lease)
    (of,) = (f"{d.label}|{d.entry_id}|{BOTH.group}" for d in [lease.delivery])
    (due,) = await work.due(BOTH)
    assert await work.admit(due, BOB) == Duplicate(of=of, verdict="")
    await arrive(work, WARMED, root)
    assert await work.admit(await work.read_one(BOTH)) == Duplicate(of=of, verdict="")
    assert await work.outstanding(root) == root.owed(ROOT)
    assert len(await work.ledger(root, "completed")) == 1


async def test_a_join_of_any_runs_at_once(work: ScriptedCell) -> None:
    """One branch is enough, and the one that comes second is a duplicate."""
    either = handler(any_of(CacheWarmed, ServiceRestarted), name="web.either")
    await work.deploy(ROOT, either)
    root = await work.publish(FAILED)
    await arrive(work, WARMED, root)
    await work.commit(await work.take(either))
    await arrive(work, RESTARTED, root)
    assert isinstance(await work.admit(await work.read_one(either)), Duplicate)


async def test_a_join_of_some_runs_with_the_first_that_arrive(work: ScriptedCell) -> None:
    """Two of three: the third is not waited for."""
    two = handler(n_of(2, CacheWarmed, ServiceRestarted, DatabaseRestored), name="web.two")
    await work.deploy(ROOT, two)
    root = await work.publish(FAILED)
    await arrive(work, WARMED, root)
    reply = await work.admit(await work.read_one(two))
    assert reply == Arrived(have=1, need=2, verdict="")
    await arrive(work, RESTORED, root)
    lease = await work.take(two)
    await work.commit(lease)
    await work.commit(await work.take(ROOT))
    summary = await work.summary(root)
    assert (summary["verdict"], summary["unjoined"]) == ("completed", "0")


async def test_joins_of_two_recoveries_do_not_mix(work: ScriptedCell) -> None:
    """A branch belongs to its own recovery."""
    one = await begin(work)
    two = await work.publish(FAILED)
    await arrive(work, WARMED, one)
    await work.admit(await work.read_one(BOTH))
    await arrive(work, RESTARTED, two)
    reply = await work.admit(await work.read_one(BOTH))
    assert reply == Arrived(have=1, need=2, verdict="")


async def test_a_join_taken_over_still_has_its_branches(work: ScriptedCell) -> None:
    """The worker that completed the join died; the next one gets the same events."""
    root = await begin(work)
    await arrive(work, WARMED, root)
    await work.admit(await work.read_one(BOTH), payload=b"w")
    await arrive(work, RESTARTED, root)
    first = await work.admit(await work.read_one(BOTH), payload=b"r")
    (delivery,) = await work.claim(BOTH)
    second = await work.admit(delivery, BOB, payload=b"r")
    assert isinstance(first, Run)
    assert isinstance(second, Run)
    assert second.branches == first.branches == {WARMED_BRANCH: b"w", RESTARTED_BRANCH: b"r"}
    assert second.attempt == 2


async def test_a_join_left_incomplete_makes_the_verdict_partial(work: ScriptedCell) -> None:
    """The verdict names the join and how far it came, once however often branches came."""
    root = await begin(work)
    for _ in range(2):
        await arrive(work, WARMED, root)
        await work.admit(await work.read_one(BOTH))
    reply = await work.commit(await work.take(ROOT))
    assert isinstance(reply, Committed)
    assert reply.verdict == "partial"
    assert (await work.summary(root))["unjoined"] == "1"
    (closing,) = await work.closings(root)
    assert b'["web.reopen: 1 of 2 branches arrived"]' in closing[b"data"]


async def test_a_branch_may_be_the_last_work_of_all(work: ScriptedCell) -> None:
    """When nobody can bring the other branch any more, the waiting branch closes the recovery."""
    root = await begin(work)
    await work.commit(await work.take(ROOT), WARMED)
    reply = await work.admit(await work.read_one(BOTH))
    assert reply == Arrived(have=1, need=2, verdict="partial")
    assert (await work.summary(root))["status"] == "closed"


async def test_a_late_branch_reopens_and_completes_the_join(work: ScriptedCell) -> None:
    """What was partial for want of a branch is completed when it comes after all."""
    root = await begin(work)
    await work.commit(await work.take(ROOT), WARMED)
    await work.admit(await work.read_one(BOTH), payload=b"w")
    assert (await work.summary(root))["verdict"] == "partial"

    await arrive(work, RESTARTED, root)
    delivery = await work.read_one(BOTH)
    owner = work.owner()
    run = await work.admit(delivery, owner=owner, payload=b"r")
    assert isinstance(run, Run)
    assert set(run.branches) == {WARMED_BRANCH, RESTARTED_BRANCH}
    assert (await work.summary(root))["status"] == "open"
    (lease,) = [await work.lease(d, BOB) for d in await work.claim(BOTH)]
    reply = await work.commit(lease, by=BOB)
    assert isinstance(reply, Committed)
    assert reply.verdict == "completed"
    assert [c[b"type"] for c in await work.closings(root)] == [
        b"recovery.completed",
        b"recovery.partial",
    ]


MANY = tuple(CacheWarmed.about(f"cache-{number}") for number in range(20))


async def test_a_join_of_many_branches_names_them_when_asked(work: ScriptedCell) -> None:
    """The script asks for the names once, before anything is written; other branches need none."""
    gather = handler(all_of(*MANY), name="web.gather", within="1h")
    await work.deploy(ROOT, gather)
    root = await work.publish(FAILED)
    for number in range(20):
        await arrive(work, CacheWarmed(subject=f"cache-{number}"), root)
    calls = work.calls(BOB)
    first, *others = await work.read(gather, BOB)
    before = await work.ledger(root)
    assert await work.run(calls.admit(first, "bob#1", b"{}")) == [UNNAMED]
    assert await work.ledger(root) == before
    named = await work.run(calls.admit(first, "bob#1", b"{}", named=True))
    assert admission(named)[0] == Arrived(have=1, need=20, verdict="")
    planned = await work.client.hget(work.keys.plan(root.correlation_id), "join:web.gather")
    assert b"cache.warmed@cache-19" in planned
    for have, delivery in enumerate(others[:-1], start=2):
        reply = await work.run(calls.admit(delivery, f"bob#{have}", b"{}"))
        assert admission(reply)[0] == Arrived(have=have, need=20, verdict="")
    last = admission(await work.run(calls.admit(others[-1], "bob#20", b"{}")))[0]
    assert isinstance(last, Run)
    assert len(last.branches) == 20


@pytest.mark.parametrize("losers", ["cancel", "ignore"])
async def test_a_race_of_many_asks_for_the_losers(work: ScriptedCell, losers: Losers) -> None:
    """Only the branch that wins must say which others there are, and only to cancel them."""
    race = handler(any_of(*MANY, losers=losers), name="web.race")
    await work.deploy(ROOT, race)
    root = await begin(work)
    await arrive(work, CacheWarmed(subject="cache-7"), root)
    delivery, calls = await work.read_one(race, BOB), work.calls(BOB)
    reply = await work.run(calls.admit(delivery, "bob#1", b"{}"))
    if losers == "cancel":
        assert reply == [UNNAMED]
        reply = await work.run(calls.admit(delivery, "bob#1", b"{}", named=True))
    assert isinstance(admission(reply)[0], Run)
    outran = await work.client.hget(work.keys.recovery(root.correlation_id), "outran")
    assert (outran is not None) == (losers == "cancel")

"""What the claiming scripts promise: work is taken up again, at its time, by one."""

from __future__ import annotations

from antiphon_events import DatabaseRestored, ServiceFailed
from scripted import ALICE, BOB, HOUR_MS, ScriptedCell, handler
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-db")
EITHER = handler(ServiceFailed, DatabaseRestored, name="orders.restore")
PAGE = handler(ServiceFailed, name="pager.page")


async def test_only_groups_with_something_due_are_named(work: ScriptedCell) -> None:
    """By their position in the question; what is due later does not count."""
    await work.deploy(EITHER, PAGE)
    await work.publish(FAILED)
    await work.postpone(await work.take(EITHER), HOUR_MS)
    await work.postpone(await work.take(PAGE))
    keys = [work.keys.due(h.group) for h in (EITHER, PAGE, EITHER, PAGE)]
    before = await snapshot(work.client, work.keys)
    assert await work.claims().ready(keys) == [1, 3]
    assert await work.claims().ready([]) == []
    assert await snapshot(work.client, work.keys) == before


async def test_what_is_due_is_taken_once_and_in_order(work: ScriptedCell) -> None:
    """The oldest instant first, no more than there is room for, from any of the streams."""
    await work.deploy(EITHER)
    sent = [await work.publish(FAILED), await work.publish(DatabaseRestored(subject="orders-db"))]
    sent += [await work.publish(FAILED)]
    leases = {(d.label, d.entry_id): await work.lease(d) for d in await work.read(EITHER)}
    for number, one in enumerate(sent):
        await work.postpone(leases[one.envelope.type, one.entry_id])
        member = f"{one.envelope.type}|{one.entry_id}"
        await work.client.zadd(work.keys.due(EITHER.group), {member: 3 - number})
    key, streams = work.keys.due(EITHER.group), work.streams(EITHER)
    first = await work.claims().due(EITHER.group, key, streams, 2)
    assert [t.entry_id for t in first] == [one.entry_id for one in sent[:0:-1]]
    (last,) = await work.claims().due(EITHER.group, key, streams, 2)
    assert (last.label, last.entry_id) == ("service.failed", sent[0].entry_id)
    assert last.fields is not None
    assert last.fields[b"id"] == sent[0].envelope.id.encode()
    assert await work.claims().due(EITHER.group, key, streams, 2) == []
    (pending,) = await work.client.xpending_range(
        work.keys.events("database.restored"), EITHER.group, "-", "+", 10
    )
    assert pending["consumer"] == BOB.encode()


async def test_what_was_taken_by_a_worker_that_died_is_claimed(work: ScriptedCell) -> None:
    """Between taking up and admitting a delivery a worker may die: nothing is forgotten."""
    await work.deploy(EITHER)
    sent = await work.publish(FAILED)
    await work.postpone(await work.take(EITHER))
    await work.due(EITHER, BOB)
    (delivery,) = await work.claim(EITHER, ALICE)
    assert delivery.entry_id == sent.entry_id
    lease = await work.lease(delivery, ALICE)
    assert (lease.attempt, lease.failures) == (2, 1)


async def test_only_the_silent_are_claimed(work: ScriptedCell) -> None:
    """Who touched a delivery within the lease keeps it."""
    await work.deploy(EITHER)
    old, _ = await work.publish(FAILED), await work.publish(FAILED)
    await work.read(EITHER)
    stream = work.keys.events("service.failed")
    await work.client.xclaim(stream, EITHER.group, ALICE, 0, [old.entry_id], idle=HOUR_MS)
    assert [d.entry_id for d in await work.claim(EITHER, idle_ms=HOUR_MS // 2)] == [old.entry_id]
    assert await work.claim(EITHER, idle_ms=HOUR_MS // 2) == []


async def test_what_waits_for_its_instant_is_not_claimed(work: ScriptedCell) -> None:
    """However long that is: it is nobody's silence."""
    await work.deploy(EITHER)
    waiting, running = await work.publish(FAILED), await work.publish(FAILED)
    one, two = await work.read(EITHER)
    await work.postpone(await work.lease(one), HOUR_MS)
    await work.lease(two)
    assert [d.entry_id for d in await work.claim(EITHER)] == [running.entry_id]
    assert await work.client.zscore(
        work.keys.due(EITHER.group), f"service.failed|{waiting.entry_id}"
    )


async def test_a_worker_takes_up_what_it_holds_itself(work: ScriptedCell) -> None:
    """After a lost reply it asks for its own pending entries, and for nobody else's."""
    await work.deploy(EITHER)
    mine, theirs = await work.publish(FAILED), await work.publish(FAILED)
    await work.read(EITHER, ALICE, count=1)
    await work.read(EITHER, BOB, count=1)
    taken = await work.claims(ALICE).silent(
        EITHER.group,
        work.keys.due(EITHER.group),
        work.streams(EITHER),
        idle_ms=0,
        room=10,
        held_by=ALICE,
    )
    assert [t.entry_id for t in taken] == [mine.entry_id]
    pending = await work.client.xpending_range(
        work.keys.events("service.failed"), EITHER.group, "-", "+", 10
    )
    assert {p["message_id"].decode(): p["consumer"].decode() for p in pending} == {
        mine.entry_id: ALICE,
        theirs.entry_id: BOB,
    }


async def test_claiming_goes_on_where_it_stopped(work: ScriptedCell) -> None:
    """Every silent delivery is found, page after page, past those that wait for their instant."""
    await work.deploy(EITHER)
    sent = [await work.publish(FAILED) for _ in range(250)]
    deliveries = await work.read(EITHER, count=1000)
    for delivery in deliveries[:120]:
        await work.postpone(await work.lease(delivery), HOUR_MS)
    claimed = await work.claim(EITHER)
    assert [d.entry_id for d in claimed] == [one.entry_id for one in sent[120:]]


async def test_an_entry_that_is_gone_is_reported_once(work: ScriptedCell) -> None:
    """Its id is told without its fields, and the server stops holding it for anybody."""
    await work.deploy(EITHER)
    sent = await work.publish(FAILED)
    await work.read(EITHER)
    await work.client.xdel(work.keys.events("service.failed"), sent.entry_id)
    streams = {"service.failed": work.keys.events("service.failed")}
    for expected in ([(sent.entry_id, None)], []):
        taken = await work.claims().silent(EITHER.group, "", streams, idle_ms=0, room=10)
        assert [(t.entry_id, t.fields) for t in taken] == expected


async def test_only_groups_with_something_silent_are_named(work: ScriptedCell) -> None:
    """By their position in the question; a lost group is named too, so that claiming it says so."""
    await work.deploy(EITHER, PAGE)
    await work.publish(FAILED)
    await work.take(EITHER)
    stream = work.keys.events("service.failed")
    places = [(group, stream) for group in (PAGE.group, EITHER.group, "nobody.knows")]
    before = await snapshot(work.client, work.keys)
    assert await work.claims().stale(places, idle_ms=0) == [1, 2]
    assert await work.claims().stale(places, idle_ms=HOUR_MS) == [2]
    assert await work.claims().stale([], idle_ms=0) == []
    assert await snapshot(work.client, work.keys) == before


async def test_what_was_never_admitted_can_be_given_back(work: ScriptedCell) -> None:
    """It is due at once to anyone, as its first attempt; a stranger's delivery cannot be given."""
    await work.deploy(PAGE)
    sent = await work.publish(FAILED)
    read = await work.read_one(PAGE)
    place = (PAGE.group, work.keys.due(PAGE.group), read.label, read.stream, sent.entry_id)
    await work.claims(BOB).give_back(*place)
    assert await work.due(PAGE, BOB) == []
    await work.claims(ALICE).give_back(*place)
    (delivery,) = await work.due(PAGE, BOB)
    assert delivery.entry_id == sent.entry_id
    lease = await work.lease(delivery, BOB)
    assert (lease.attempt, lease.failures) == (1, 0)

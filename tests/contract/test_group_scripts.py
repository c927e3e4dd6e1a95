"""What register.lua, attend.lua, forget.lua and trim.lua promise about groups and streams."""

from __future__ import annotations

import pytest

from antiphon.broker.scripts import Call, script
from antiphon_events import DatabaseRestored, RecoveryCompleted, ServiceFailed
from scripted import ALICE, BOB, HOUR_MS, ScriptedCell, Sent, handler
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")
PAGE = handler(ServiceFailed, name="pager.page")


async def done(work: ScriptedCell) -> Sent:
    """One recovery, begun and ended by a group that is deployed already."""
    sent = await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    return sent


async def test_a_group_reads_all_its_streams_and_its_inbox(work: ScriptedCell) -> None:
    """It is made on every stream, is counted as subscriber, and is described for people."""
    both = handler(ServiceFailed.about("a", "b"), DatabaseRestored, name="orders.both")
    assert await work.deploy(both) == 3
    for stream in work.streams(both).values():
        groups = await work.client.xinfo_groups(stream)
        assert [group["name"] for group in groups] == [both.group.encode()]
    for key in (
        work.keys.subscribers("service.failed", "a"),
        work.keys.subscribers("service.failed", "b"),
        work.keys.subscribers("database.restored"),
    ):
        assert await work.client.smembers(key) == {both.group.encode()}
    assert await work.client.exists(work.keys.subscribers("service.failed")) == 0
    assert await work.client.hexists(work.keys.groups, both.group)


async def test_registering_again_changes_nothing(work: ScriptedCell) -> None:
    """Every worker of a service registers its handlers; the group stands where it stood."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    await work.read_one(RESTORE)
    before = await snapshot(work.client, work.keys)
    assert await work.deploy(RESTORE) == 0
    after = await snapshot(work.client, work.keys)
    groups = work.keys.groups  # holds the instant of the latest registration
    assert {**after, groups: None} == {**before, groups: None}


async def test_a_handler_that_listens_to_less_is_asked_for_less(work: ScriptedCell) -> None:
    """It leaves the sets of what it gave up, so that nothing waits for it there."""
    await work.deploy(handler(ServiceFailed.about("a", "b"), name="orders.restore"))
    await work.deploy(handler(ServiceFailed.about("b"), name="orders.restore"))
    assert await work.client.exists(work.keys.subscribers("service.failed", "a")) == 0
    sent = await work.publish(ServiceFailed(subject="a"))
    assert await work.outstanding(sent) == {f"service.failed|{sent.entry_id}|?"}


async def test_the_first_group_of_a_stream_begins_at_its_first_entry(work: ScriptedCell) -> None:
    """What was written before anybody listened is heard."""
    sent = await work.xadd(FAILED)
    await work.deploy(RESTORE)
    assert (await work.read_one(RESTORE)).entry_id == sent.entry_id


async def test_a_further_group_begins_at_the_oldest_open_recovery(work: ScriptedCell) -> None:
    """It sees what is still open, from its first entry, and nothing of what was over before."""
    await work.deploy(RESTORE)
    await done(work)
    sent = await work.publish(FAILED)
    await work.take(RESTORE)
    await work.client.xtrim(work.keys.events("service.failed"), minid=sent.entry_id)
    await work.deploy(PAGE)
    assert [d.entry_id for d in await work.read(PAGE)] == [sent.entry_id]


async def test_a_further_group_hears_no_old_news(work: ScriptedCell) -> None:
    """Where nothing is open and everybody has read everything, it begins with what comes next."""
    calm, glad = (handler(RecoveryCompleted, name=f"pager.{name}") for name in ("calm", "glad"))
    await work.deploy(RESTORE, calm)
    await done(work)
    await work.commit(await work.take(calm))
    await work.deploy(PAGE, glad)
    assert await work.read(PAGE) == []
    assert await work.read(glad) == []


async def test_a_lost_group_begins_again_at_the_first_entry(work: ScriptedCell) -> None:
    """Admission skips what it had done, so nothing is missed and nothing is done twice."""
    await work.deploy(RESTORE)
    first = await done(work)
    second = await work.publish(FAILED)
    await work.client.xgroup_destroy(work.keys.events("service.failed"), RESTORE.group)
    assert await work.deploy(RESTORE, lost=True) == 1
    assert [d.entry_id for d in await work.read(RESTORE)] == [first.entry_id, second.entry_id]


async def test_a_key_that_is_no_stream_is_an_error(work: ScriptedCell) -> None:
    """The group is not counted as subscriber of what it cannot read."""
    await work.client.set(work.keys.events("service.failed"), "not a stream", px=60_000)
    with pytest.raises(Exception, match="WRONGTYPE"):
        await work.deploy(RESTORE)
    assert await work.client.exists(work.keys.subscribers("service.failed", "orders-db")) == 0
    assert await work.client.exists(work.keys.groups) == 0


async def test_a_worker_answers_for_its_groups(work: ScriptedCell) -> None:
    """Until an instant that only ever moves on, so that the longest promise of several counts."""

    def attend(valid_ms: int, *groups: str) -> Call:
        return Call(script("attend"), (work.keys.workers,), (valid_ms, *groups))

    async def until() -> dict[bytes, float]:
        return dict(await work.client.zrange(work.keys.workers, 0, -1, withscores=True))

    assert await work.run(attend(HOUR_MS, "a.one", "a.two")) == 2
    first = await until()
    assert await work.run(attend(2 * HOUR_MS, "a.one")) == 0
    assert await work.run(attend(1, "a.two", "a.three")) == 1
    seconds, _ = await work.client.time()
    now = await until()
    assert abs(now[b"a.one"] - seconds * 1000 - 2 * HOUR_MS) < 5000
    assert now[b"a.two"] == first[b"a.two"]
    assert abs(now[b"a.three"] - seconds * 1000) < 5000


def forget(work: ScriptedCell, consumer: str, silent_ms: int = 0) -> Call:
    stream = work.keys.events("service.failed")
    return Call(script("forget"), (stream,), (RESTORE.group, consumer, silent_ms))


async def test_a_consumer_that_is_gone_is_removed(work: ScriptedCell) -> None:
    """Not while deliveries are pending with it, which would vanish; not while it is alive."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    lease = await work.take(RESTORE)
    stream = work.keys.events("service.failed")
    before = await snapshot(work.client, work.keys)
    assert await work.run(forget(work, ALICE)) == 0
    assert await work.run(forget(work, BOB)) == 0
    assert await snapshot(work.client, work.keys) == before
    await work.commit(lease)
    assert await work.run(forget(work, ALICE, 60_000)) == 0
    assert await work.run(forget(work, ALICE)) == 1
    assert await work.client.xinfo_consumers(stream, RESTORE.group) == []


def trim(work: ScriptedCell, keep_ms: int = 0) -> Call:
    keys = (work.keys.events("service.failed"), work.keys.open_recoveries)
    return Call(script("trim"), keys, (keep_ms,))


async def entries(work: ScriptedCell) -> list[str]:
    found = await work.client.xrange(work.keys.events("service.failed"))
    return [entry_id.decode() for entry_id, _ in found]


async def old(work: ScriptedCell, *ages_s: int) -> list[str]:
    """Foreign entries of these ages, the oldest first."""
    seconds, _ = await work.client.time()
    ids = [f"{(seconds - age) * 1000}-0" for age in ages_s]
    return [(await work.xadd(FAILED, entry_id)).entry_id for entry_id in ids]


async def test_what_nothing_can_need_is_trimmed(work: ScriptedCell) -> None:
    """Old, read and settled by every group, and of no open recovery; younger entries stay."""
    await work.deploy(RESTORE)
    ids = await old(work, 50, 40, 30, 5)
    for delivery in await work.read(RESTORE):
        await work.commit(await work.lease(delivery))
    assert await work.run(trim(work, 35_000)) == 2
    assert await entries(work) == ids[2:]
    assert await work.run(trim(work, 35_000)) == 0


async def test_nothing_is_trimmed_that_a_group_has_not_read(work: ScriptedCell) -> None:
    """However old: the group's worker may be the one that is down."""
    await work.deploy(RESTORE, PAGE)
    ids = await old(work, 50, 40, 30)
    for delivery in await work.read(RESTORE):
        await work.commit(await work.lease(delivery))
    assert await work.run(trim(work)) == 0
    for delivery in await work.read(PAGE, count=2):
        await work.commit(await work.lease(delivery))
    assert await work.run(trim(work)) == 1
    assert await entries(work) == ids[1:]


async def test_nothing_is_trimmed_that_is_pending(work: ScriptedCell) -> None:
    """A retry needs its entry, and so does a dead letter."""
    await work.deploy(RESTORE)
    ids = await old(work, 50, 40, 30)
    first, second, third = await work.read(RESTORE)
    leases = [await work.lease(d) for d in (first, second, third)]
    await work.commit(leases[0])
    await work.commit(leases[2])
    assert await work.run(trim(work)) == 1
    assert await entries(work) == ids[1:]


async def test_nothing_is_trimmed_of_an_open_recovery(work: ScriptedCell) -> None:
    """A handler that is deployed later can still read it from its beginning."""
    other = handler(DatabaseRestored, name="cache.warm")
    await work.deploy(RESTORE, other)
    old_id, open_id, _ = await old(work, 50, 40, 30)
    first, second, third = [await work.lease(d) for d in await work.read(RESTORE)]
    await work.commit(first)
    await work.commit(second, DatabaseRestored(subject="orders-db"))
    await work.commit(third)
    assert await work.run(trim(work)) == 1
    assert old_id not in await entries(work)
    assert (await entries(work))[0] == open_id
    await work.commit(await work.take(other))
    assert await work.run(trim(work)) == 1


async def test_a_stream_without_groups_is_trimmed_by_age(work: ScriptedCell) -> None:
    """Nobody listens; what is younger waits for the first who does."""
    ids = await old(work, 50, 5)
    assert await work.run(trim(work, 20_000)) == 1
    assert await entries(work) == ids[1:]

"""Every step is written whole or not at all, also when the server refuses a part of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from antiphon.broker.errand import Errand
from antiphon.broker.faults import ScriptFailed
from antiphon.broker.replies import Committed
from antiphon.broker.server import EmbeddedServer
from antiphon.settings import Settings
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed
from sabotage import Sabotage, both_ways, no_stream
from scripted import ScriptedCell, Sent, handler
from snapshots import contents, snapshot
from support import until

FAILED = ServiceFailed(subject="orders-db")
RESTORED = DatabaseRestored(subject="orders-db")
WARMED = CacheWarmed(subject="orders-cache")
RESTORE = handler(ServiceFailed, name="orders.restore")
PICKY = handler(ServiceFailed, name="orders.picky")
WARM = handler(DatabaseRestored, name="cache.warm")


@both_ways
async def test_a_publish_is_refused_whole(work: ScriptedCell, sabotage: Sabotage) -> None:
    """Without the entry there is no record, no marker, and nothing to wait for."""
    await work.deploy(RESTORE)
    await sabotage(work, work.keys.events("service.failed"))
    before = await snapshot(work.client, work.keys)
    with pytest.raises(ScriptFailed, match="publish"):
        await work.publish(FAILED)
    assert await snapshot(work.client, work.keys) == before


@both_ways
@pytest.mark.parametrize("broken", ["database.restored", "cache.warmed"])
async def test_a_commit_is_refused_whole(
    work: ScriptedCell, sabotage: Sabotage, broken: str
) -> None:
    """When one of its events cannot be published none is, and the step may be settled again."""
    await work.deploy(RESTORE, WARM)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    await sabotage(work, work.keys.events(broken))
    before = await contents(work.client, work.keys)
    with pytest.raises(ScriptFailed, match="commit"):
        await work.commit(lease, RESTORED, WARMED, RESTORED)
    assert await contents(work.client, work.keys) == before
    assert await work.commit(lease) == Committed(verdict="completed")
    assert (await work.summary(sent))["events"] == "1"


@both_ways
async def test_a_dead_letter_is_refused_whole(work: ScriptedCell, sabotage: Sabotage) -> None:
    """What cannot be kept is not given up: the delivery stays pending."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    await sabotage(work, work.keys.dead)
    before = await snapshot(work.client, work.keys)
    with pytest.raises(ScriptFailed, match="bury"):
        await work.bury(lease)
    assert await snapshot(work.client, work.keys) == before
    await work.client.delete(work.keys.dead)
    await work.bury(lease)
    assert (await work.summary(sent))["verdict"] == "failed"


@both_ways
async def test_a_replay_is_refused_whole(work: ScriptedCell, sabotage: Sabotage) -> None:
    """A letter leaves the dead letters only when it is in the inbox."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    await work.bury(await work.take(RESTORE))
    (letter,) = await work.letters()
    await sabotage(work, work.keys.inbox(RESTORE.group))
    before = await snapshot(work.client, work.keys)
    with pytest.raises(ScriptFailed, match="replay"):
        await work.dead_letters.replay(letter)
    assert await snapshot(work.client, work.keys) == before


@both_ways
async def test_a_silenced_verdict_undoes_no_work(work: ScriptedCell, sabotage: Sabotage) -> None:
    """One bad entry in a closing stream stops no recovery: the record says what was not told."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    await sabotage(work, work.keys.events("recovery.completed"))
    assert await work.commit(await work.take(RESTORE)) == Committed(verdict="completed")
    assert (await work.summary(sent))["verdict"] == "completed"
    assert await work.outstanding(sent) == set()
    (closed,) = await work.ledger(sent, "closed")
    assert closed["error"]


Step = Callable[[], Awaitable[object]]


@dataclass
class Scene:
    """A recovery in the middle of its work, and one step of each kind that may come next."""

    sent: Sent
    steps: dict[str, Step]


async def set_up(work: ScriptedCell) -> Scene:
    await work.deploy(RESTORE, PICKY, WARM)
    died = await work.publish(FAILED)
    await work.bury(await work.take(RESTORE))
    (letter,) = await work.letters()
    sent = await work.publish(FAILED, correlation_id=died.correlation_id)
    lease, (unread, _) = await work.take(RESTORE), await work.read(PICKY)
    further = work.envelope(FAILED, sent.correlation_id)
    (member,) = sent.owed(RESTORE)
    return Scene(
        sent,
        {
            "publish": lambda: work.publish(FAILED, again=further),
            "admit": lambda: work.admit(unread),
            "pass": lambda: work.skip(unread),
            "commit": lambda: work.commit(lease, RESTORED),
            "postpone": lambda: work.postpone(lease),
            "release": lambda: work.release(lease),
            "bury": lambda: work.bury(lease),
            "progress": lambda: work.run(work.calls().progress(lease, 0.5, "half")),
            "resolve": lambda: work.resolve(sent, member, fault=True),
            "replay": lambda: work.dead_letters.replay(letter),
        },
    )


every_step = pytest.mark.parametrize(
    "name",
    [
        *("publish", "admit", "pass", "commit", "postpone", "release", "bury", "progress"),
        *("resolve", "replay"),
    ],
)


@every_step
async def test_a_step_that_cannot_be_told_is_not_taken(work: ScriptedCell, name: str) -> None:
    """Without a ledger to write to, nothing else is written either."""
    scene = await set_up(work)
    await no_stream(work, work.keys.ledger(scene.sent.correlation_id))
    before = await snapshot(work.client, work.keys)
    with pytest.raises(ScriptFailed, match="WRONGTYPE"):
        await scene.steps[name]()
    assert await snapshot(work.client, work.keys) == before
    await work.client.delete(work.keys.ledger(scene.sent.correlation_id))
    await scene.steps[name]()


@pytest.fixture
async def alone(server: EmbeddedServer) -> AsyncIterator[ScriptedCell]:
    """A cell on a server whose memory is the test's to take away."""
    async with Errand.begin(Settings(redis_url=server.url)) as errand:
        yield ScriptedCell(errand)


@every_step
async def test_a_step_waits_for_memory(alone: ScriptedCell, name: str) -> None:
    """Without memory nothing is written; once there is some, the same call goes through."""
    scene = await set_up(alone)
    before = await snapshot(alone.client, alone.keys)
    await alone.client.config_set("maxmemory", 1)
    step = asyncio.ensure_future(scene.steps[name]())

    async def refused() -> bool:
        return "errorstat_OOM" in await alone.client.info("errorstats")

    await until(refused)
    assert await snapshot(alone.client, alone.keys) == before
    assert not step.done()
    await alone.client.config_set("maxmemory", 0)
    await step
    assert await snapshot(alone.client, alone.keys) != before


async def test_a_server_that_forgot_the_scripts_learns_them_again(work: ScriptedCell) -> None:
    """After a restart or SCRIPT FLUSH every call goes through, and each is run once."""
    await work.deploy(RESTORE)
    await work.client.script_flush()
    sent = await asyncio.gather(*(work.publish(FAILED) for _ in range(20)))
    assert all(one.written for one in sent)
    assert await work.client.xlen(work.keys.events("service.failed")) == 20
    deliveries = await work.read(RESTORE)
    await work.client.script_flush()
    leases = await asyncio.gather(*(work.lease(d) for d in deliveries))
    assert [lease.attempt for lease in leases] == [1] * 20
    assert sorted(lease.token for lease in leases) == list(range(1, 21))

"""What guards write is forgotten in time, and never before it has lost its meaning."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from redis import Redis

from antiphon import Breaker, Budget, Publisher
from antiphon.broker.calls import Lease
from antiphon.broker.replies import Closed, Duplicate
from antiphon_events import ServiceFailed
from guarded import GuardedCell
from leaks import immortal_keys, keys_of
from scripted import HOUR_MS, handler

MINUTE_MS = 60_000
REACT = handler(
    ServiceFailed,
    name="orders.react",
    rate="2/10m",
    breaker=Breaker("payments", fail_max=1, reset_timeout="1m"),
    exclusive=True,
    budget=Budget(2, per="20m", action="restart"),
)
FAMILIES = {
    "budget:restart:a": 20 * MINUTE_MS,
    "rate:handler:orders.react": 10 * MINUTE_MS,
    "rate:service:orders": 10 * MINUTE_MS,
    "rate:cell": 10 * MINUTE_MS,
    "exclusive:a": 30_000,
}
"""What an attempt writes, and how long that matters, ms."""

SETTINGS = {"services": {"orders": {"rate": "5/10m"}}, "rate": "6/10m", "storm": "2/5m"}

End = Callable[[GuardedCell, Lease], Awaitable[object]]
ENDS: dict[str, End] = {
    "running": lambda _work, _lease: _nothing(),
    "commit": lambda work, lease: work.commit(lease),
    "postpone": lambda work, lease: work.postpone(lease),
    "release": lambda work, lease: work.release(lease),
    "bury": lambda work, lease: work.bury(lease),
    "renew": lambda work, lease: work.run(work.calls().renew(lease)),
}


async def _nothing() -> None:
    return


@pytest.fixture
def inspector(redis_url: str) -> Redis:
    return Redis.from_url(redis_url, decode_responses=True)


async def lifetime(work: GuardedCell, name: str) -> int:
    left: int = await work.client.pttl(work.keys.prefix + name)
    return left


@pytest.mark.parametrize("end", ENDS)
async def test_an_attempt_leaves_nothing_for_ever(
    guarded: GuardedCell, inspector: Redis, end: str
) -> None:
    """However it ends, what was counted outlives its window and no longer than need be."""
    work = guarded.with_settings(**SETTINGS)
    await work.deploy(REACT)
    await work.fail("a")
    lease = await work.runs(await work.read_one(REACT))
    await ENDS[end](work, lease)
    assert not immortal_keys(inspector, work.keys.cell)
    for name, needed_ms in FAMILIES.items():
        left = await lifetime(work, name)
        assert needed_ms - 5_000 < left <= needed_ms + 2 * MINUTE_MS, name
    breaker = await lifetime(work, "breaker:payments")
    assert breaker > MINUTE_MS if end == "postpone" else breaker == -2
    inspector.close()


async def test_who_waits_leaves_nothing_for_ever(guarded: GuardedCell, inspector: Redis) -> None:
    """Queues, incidents, relapses and storms expire as well, all after what they are about."""
    work = guarded.with_settings(**SETTINGS, relapses="1/1h")
    await work.deploy(REACT)
    async with Publisher(work.settings) as publisher:
        await publisher.publish(ServiceFailed(subject="a"))
        lease = await work.runs(await work.read_one(REACT))
        await work.commit(lease)
        await publisher.publish(ServiceFailed(subject="a"))  # a relapse, and at once too many
    await work.client.delete(work.keys.pauses)
    await work.runs(await work.read_one(REACT))
    for _ in range(2):
        await work.fail("a")
    for d in await work.read(REACT):
        held = await work.waits(d)
    left = await lifetime(work, "queue:rate:handler:orders.react")
    assert left > held.due_ms - await work.server_ms()
    other = handler(ServiceFailed, name="billing.react", exclusive=True)
    await work.deploy(other)
    await work.fail("a")
    waits = await work.waits((await work.read(other))[-1])
    assert await lifetime(work, "queue:exclusive:a") > waits.due_ms - await work.server_ms()
    for subject in "bcd":
        await work.fail(subject)
    retention_ms = work.settings.record_retention.total_seconds() * 1000
    for name, needed_ms in (
        ("incident:service.failed:a", retention_ms),
        ("relapse:service.failed:a", HOUR_MS),
        ("storm", 5 * MINUTE_MS),
    ):
        assert needed_ms - 5_000 < await lifetime(work, name) <= needed_ms, name
    assert not immortal_keys(inspector, work.keys.cell)
    known = {name.removeprefix(work.keys.prefix) for name in keys_of(inspector, work.keys.cell)}
    assert known >= {*FAMILIES, "storm", "pauses", "held", "guards", "escalations"}
    inspector.close()


@pytest.mark.usefixtures("clock")
async def test_what_is_no_longer_held_is_not_listed(guarded: GuardedCell) -> None:
    """A delivery leaves the list when it runs, is done elsewhere, ends, or belongs to the past."""
    calm = handler(ServiceFailed, name="orders.calm", rate="1/1m", key="{subject}", max_visits=1)
    await guarded.deploy(calm)
    await guarded.passes(0)
    sent = [await guarded.fail(subject) for subject in "abbcd"]
    runs, holds, twin, halted, closed = await guarded.read(calm)
    await guarded.runs(runs)
    for d in (holds, twin, halted, closed):
        await guarded.waits(d)
    listed = {d.name for d in (holds, twin, halted, closed)}
    assert set(await guarded.hash(guarded.keys.held)) == listed

    await guarded.passes(MINUTE_MS)
    (due, *_) = await guarded.due(calm)
    lease = await guarded.runs(due)
    listed.remove(due.name)
    assert set(await guarded.hash(guarded.keys.held)) == listed

    await guarded.commit(lease)
    assert isinstance((await guarded.ask(twin))[0], Duplicate)
    listed.remove(twin.name)
    assert set(await guarded.hash(guarded.keys.held)) == listed

    await guarded.client.hset(guarded.keys.recovery(sent[3].correlation_id), "halted", "a loop")
    await guarded.ends(halted)
    listed.remove(halted.name)
    assert set(await guarded.hash(guarded.keys.held)) == listed

    (member,) = await guarded.outstanding(sent[4])
    await guarded.resolve(sent[4], member, fault=False)
    assert isinstance((await guarded.ask(closed))[0], Closed)
    assert not await guarded.client.exists(guarded.keys.held)

"""The kit makes services hard to bear: every handler twice, at random, and of every kind."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import pytest
from faststream import BaseMiddleware, Context, Depends
from faststream.message import StreamMessage
from faststream.redis import RedisBroker

from antiphon import ConfigurationError, Joined, Publisher, Recovery, Retry, Service, all_of
from antiphon.testing import Cell, duplicated, expect, unreliable
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed, ServiceRestarted
from antiphon_handlers.restore_sqlite import restore_sqlite
from rehearsed import NOWHERE, failed

pytestmark = pytest.mark.usefixtures("shared_server")

Wrapped = Callable[[Service], Service]


# Twice.


class World:
    """What handlers change."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.pid = 0


async def test_what_is_not_idempotent_is_caught(kit: Cell) -> None:
    """A handler that tells of another world when it runs again dies of it, and the trace says."""
    api, world = Service("api"), World()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        world.pid += 1
        return ServiceRestarted(subject=failed.subject, pid=world.pid)

    trace = await failed(kit, duplicated(api))
    expect(trace).failed().did_not_publish(ServiceRestarted).died(
        "api.restart",
        because="NotIdempotent: api.restart published "
        "ServiceRestarted(subject='api', pid=1, url='') when it ran first, and "
        "ServiceRestarted(subject='api', pid=2, url='') when it ran again for the same event",
    )


async def test_a_completion_that_a_takeover_would_lose_is_caught(kit: Cell) -> None:
    """None, because it is done already, is no answer: nobody would ever hear that it was."""
    api, world = Service("api"), World()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted | None:
        if world.done:
            return None
        world.done.append("restarted")
        return ServiceRestarted(subject=failed.subject)

    trace = await failed(kit, duplicated(api))
    expect(trace).died("api.restart", because="and nothing when it ran again")


async def test_what_is_idempotent_passes(kit: Cell) -> None:
    """It runs twice, is counted once, and what it published is published once."""
    api, world = Service("api"), World()
    seen: list[Recovery] = []

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted:
        assert recovery.published == ()
        seen.append(recovery)
        await recovery.progress(0.5, "halfway")
        async with recovery.breaker("host"):
            if "restarted" not in world.done:
                world.done.append("restarted")
        recovery.publish(CacheWarmed(subject="cache"))
        return ServiceRestarted(subject=failed.subject)

    trace = await failed(kit, duplicated(api))
    expect(trace).completed().ran("api.restart", times=1)
    expect(trace).published(ServiceRestarted, times=1).published(CacheWarmed, times=1)
    assert world.done == ["restarted"]
    first, second = seen
    public = [name for name in dir(Recovery) if not name.startswith("_")]
    values = {n for n in public if not callable(getattr(Recovery, n, None))}
    assert {"attempt", "token", "deadline", "envelope", "correlation_id"} <= values
    assert [getattr(first, n) for n in values] == [getattr(second, n) for n in values]


async def test_an_effect_that_nobody_tells_of_is_for_the_test_to_count(kit: Cell) -> None:
    """The kit runs it twice; only the test knows what the world should look like."""
    api, world = Service("api"), World()

    @api.on(ServiceFailed)
    async def page(failed: ServiceFailed) -> None:
        world.done.append("paged")

    expect(await failed(kit, duplicated(api))).completed()
    assert world.done == ["paged", "paged"]


async def test_an_error_of_the_second_run_is_an_error(kit: Cell) -> None:
    """What cannot be done twice fails, is tried again, and dies."""
    api, tables = Service("api"), set[str]()

    @api.on(ServiceFailed, retry=Retry(attempts=2))
    def create(failed: ServiceFailed) -> None:
        if "orders" in tables:
            raise ValueError("table orders exists")
        tables.add("orders")

    trace = await failed(kit, duplicated(api))
    expect(trace).failed().ran("api.create", times=2)
    expect(trace).died("api.create", because="ValueError: table orders exists")


async def test_what_counts_as_the_same_is_the_tests_to_say(kit: Cell) -> None:
    """A detail may differ from run to run; the second, which would be committed, is."""
    api, world = Service("api"), World()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> list[ServiceRestarted]:
        world.pid += 1
        return [ServiceRestarted(subject=failed.subject, pid=world.pid)]

    pids: list[int | None] = []

    @api.on(ServiceRestarted)
    async def note(restarted: ServiceRestarted) -> None:
        pids.append(restarted.pid)

    alike = duplicated(api, same=lambda a, b: (type(a), a.subject) == (type(b), b.subject))
    expect(await failed(kit, alike)).completed()
    assert pids == [2, 2]


# At random.


async def test_a_seed_makes_the_same_failures_again(redis_url: str) -> None:
    """Whatever order handlers run in, an event meets the same fate; another seed, another fate."""
    effects: Counter[str] = Counter()
    api = Service("api")

    @api.on(ServiceFailed, retry=Retry(attempts=5))
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        effects[failed.subject] += 1
        return ServiceRestarted(subject=failed.subject)

    async def fates(seed: int) -> dict[str, list[str | None]]:
        async with Cell.open(redis_url, hurry=True) as cell:
            hard = unreliable(api, chance=0.5, seed=seed)
            async with cell.running(hard, hard):
                names = [f"api-{n}" for n in range(12)]
                receipts = [await cell.publish(ServiceFailed(subject=name)) for name in names]
                traces = [await cell.settled(receipt) for receipt in receipts]
        for trace in traces:
            expect(trace).completed().published(ServiceRestarted, times=1)
        return {it.subject: [attempt.error for attempt in it.steps[0].attempts] for it in traces}

    once = await fates(7)
    errors = [error for row in once.values() for error in row]
    early, late = (
        f"TransientError: made to fail {when} its effect (unreliable, seed=7)"
        for when in ("before", "after")
    )
    assert set(errors) == {early, late, None}
    assert effects.total() == len(errors) - errors.count(early)
    assert await fates(7) == once
    assert [[e and e[:30] for e in row] for row in (await fates(8)).values()] != [
        [e and e[:30] for e in row] for row in once.values()
    ]


@pytest.mark.parametrize("attempts", [1, 3])
async def test_no_delivery_dies_of_chance_alone(kit: Cell, attempts: int) -> None:
    """The last attempt is spared, so a recovery that fails is the handler's own doing."""
    api = Service("api")

    @api.on(ServiceFailed, retry=Retry(attempts=attempts))
    async def restart(failed: ServiceFailed) -> None:
        """Restart."""

    expect(await failed(kit, unreliable(api, chance=1))).completed().ran(
        "api.restart", times=attempts
    )


def test_a_chance_is_a_probability() -> None:
    """Thirty percent is 0.3."""
    with pytest.raises(ConfigurationError, match=r"chance=30 is not from 0\.0 to 1\.0"):
        unreliable(Service("api"), chance=30)


# What handlers may be.


def backup() -> str:
    return "monday"


class Watching(BaseMiddleware):
    """Counts what passes through."""

    seen: Counter[str]

    async def consume_scope(
        self,
        call_next: Callable[[StreamMessage[Any]], Awaitable[Any]],
        msg: StreamMessage[Any],
    ) -> Any:
        self.seen[str(msg.headers["type"])] += 1
        return await call_next(msg)


@pytest.mark.parametrize(
    ("wrapped", "runs", "attempts"),
    [
        (lambda service: service, 1, 1),
        (duplicated, 2, 1),
        (lambda service: unreliable(service, chance=1, seed=1), None, 2),
        (lambda service: duplicated(unreliable(service, chance=1, seed=1)), None, 2),
        (lambda service: unreliable(duplicated(service), chance=1, seed=1), None, 2),
    ],
    ids=["plain", "duplicated", "unreliable", "duplicated unreliable", "unreliable duplicated"],
)
async def test_every_kind_of_handler_can_be_wrapped(
    kit: Cell, monkeypatch: pytest.MonkeyPatch, wrapped: Wrapped, runs: int | None, attempts: int
) -> None:
    """Sync and async, with a join, with injection, under the user's own broker and middlewares."""
    monkeypatch.setattr(Watching, "seen", Counter(), raising=False)
    broker = RedisBroker(NOWHERE.redis_url or "", middlewares=[Watching])
    broker.context.set_global("tool", "pg_restore")
    ops = Service("ops", settings=NOWHERE, broker=broker)
    seen: Counter[tuple[object, ...]] = Counter()

    @ops.on(ServiceFailed, retry=Retry(attempts=2))
    def warm(
        failed: ServiceFailed,
        recovery: Recovery,
        found: Annotated[str, Depends(backup)],
        *,
        tool: str = Context(),
    ) -> list[CacheWarmed | DatabaseRestored]:
        seen["warm", found, tool] += 1
        recovery.publish(DatabaseRestored(subject="db"))
        return [CacheWarmed(subject="cache")]

    @ops.on(all_of(CacheWarmed, DatabaseRestored), retry=Retry(attempts=2))
    async def reopen(both: Joined, found: Annotated[str, Depends(backup)]) -> ServiceRestarted:
        seen["reopen", len(both), found] += 1
        return ServiceRestarted(subject="web")

    trace = await failed(kit, wrapped(ops))
    expect(trace).completed().ran("ops.warm", times=attempts).ran("ops.reopen", times=attempts)
    expect(trace).published(CacheWarmed, times=1).published(DatabaseRestored, times=1)
    assert set(seen) == {("warm", "monday", "pg_restore"), ("reopen", 2, "monday")}
    if runs is not None:
        assert set(seen.values()) == {runs}
    assert Watching.seen["service.failed"] == attempts


async def test_what_a_handler_publishes_at_once_is_seen_twice(kit: Cell) -> None:
    """A publisher inside a handler writes past the commit, which running twice brings to light."""
    api = Service("api")

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        async with Publisher(kit.settings) as publisher:
            await publisher.publish(CacheWarmed(subject="cache"))

    expect(await failed(kit, duplicated(api))).published(CacheWarmed, times=2)


async def test_a_shipped_handler_bears_both(kit: Cell, tmp_path: Path) -> None:
    """Restoring a database twice, and again after failures, restores it once."""
    backup, database = tmp_path / "backup.db", tmp_path / "orders.db"
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("CREATE TABLE orders AS SELECT 'lyre' AS item")
    ops = Service("ops")
    ops.on(ServiceFailed)(restore_sqlite(database, backup))

    trace = await failed(kit, unreliable(duplicated(ops), chance=0.7, seed=1))
    expect(trace).completed().published(DatabaseRestored, times=1)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT item FROM orders").fetchall() == [("lyre",)]

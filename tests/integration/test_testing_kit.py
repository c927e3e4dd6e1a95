"""The kit for the authors of handlers: a cell for each test, and services made hard to bear."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from faststream import BaseMiddleware, Context, Depends
from faststream.message import StreamMessage
from faststream.redis import RedisBroker
from redis import Redis

from antiphon import (
    Breaker,
    Budget,
    ConfigurationError,
    Joined,
    Publisher,
    Recovery,
    Retry,
    Service,
    Settings,
    TransientError,
    all_of,
    testing,
)
from antiphon.broker.local import answers
from antiphon.testing import Cell, Unmet, duplicated, expect, temporary_server, unreliable
from antiphon.testing.twin import Twin
from antiphon.trace import StepOutcome, Trace
from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    RecoveryCompleted,
    ServiceFailed,
    ServiceRestarted,
)
from antiphon_handlers.restore_sqlite import restore_sqlite
from documents import blocks, code, rows, section, tables
from leaks import keys_of

pytestmark = pytest.mark.usefixtures("shared_server")

NOWHERE = Settings(redis_url="redis://localhost:1/0", cell="nowhere")
PYTEST = ("-m", "pytest", "-q", "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto")
PAGE = "how-to/test-your-handlers.md"
Wrapped = Callable[[Service], Service]


@pytest.fixture
async def kit(redis_url: str) -> AsyncIterator[Cell]:
    async with Cell.open(redis_url, hurry=True) as cell:
        yield cell


@pytest.fixture
def api() -> Service:
    """A service as a module defines it: with settings of its own, and one plain handler."""
    service = Service("api", settings=NOWHERE)

    @service.on(ServiceFailed, retry=Retry(attempts=3))
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    return service


async def failed(cell: Cell, *services: Service, subject: str = "api") -> Trace:
    """Have a service fail while these run, and wait for the end of it."""
    async with cell.running(*services):
        return await cell.settled(await cell.publish(ServiceFailed(subject=subject)))


async def test_a_service_runs_in_the_cell_and_stays_as_it_was(kit: Cell, api: Service) -> None:
    """Whatever server it was made for, its handlers run here, and nothing of it is changed."""
    before = dict(vars(api)), api.handlers
    trace = await failed(kit, duplicated(unreliable(api)))
    assert (dict(vars(api)), api.handlers) == before
    expect(trace).completed().closed().ran("api.restart").published(
        ServiceRestarted, subject="api", times=1
    ).did_not_run("web.reopen").did_not_publish(ServiceRestarted, subject="web")


async def test_handlers_keep_every_option(api: Service) -> None:
    """A twin has the handlers of the original, guards and all."""
    ops = Service("ops", settings=NOWHERE, rate="100/1m")

    @ops.on(
        all_of(CacheWarmed.about("cache"), ServiceRestarted.about("api")),
        timeout="7s",
        key="{subject}",
        concurrency=3,
        budget=Budget(3, per="1m", action="reopen"),
        rate="30/1m",
        breaker=Breaker("web"),
        exclusive="host",
        max_age="off",
        max_visits=2,
    )
    def reopen(both: Joined) -> None:
        """Open."""

    twin = Twin(ops)
    assert twin.handlers == ops.handlers
    assert twin.settings is NOWHERE


async def test_a_service_named_twice_has_two_replicas(kit: Cell, api: Service) -> None:
    """Two workers share the deliveries."""
    async with kit.running(api, api):
        receipts = [await kit.publish(ServiceFailed(subject=f"api-{n}")) for n in range(20)]
        traces = [await kit.settled(receipt) for receipt in receipts]
    assert len({step.attempts[0].consumer for trace in traces for step in trace.steps}) == 2


async def test_a_wait_that_is_over_says_what_the_recovery_waits_for(kit: Cell) -> None:
    """The error names the step that has not ended, and shows the whole picture."""
    api, seen = Service("api"), asyncio.Event()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        await seen.wait()

    async with kit.running(api):
        receipt = await kit.publish(ServiceFailed(subject="api"))
        await kit.until(receipt, lambda it: it.ran("api.restart"))
        with pytest.raises(Unmet) as unmet:
            await kit.settled(receipt, within="50ms")
        seen.set()
        await kit.settled(receipt.correlation_id)
    first, *picture = str(unmet.value).splitlines()
    assert first.startswith("not within 50ms: expected the recovery to be closed; it is open, and")
    assert "waits for this: api.restart has had service.failed for" in first
    assert f"Recovery {receipt.correlation_id}: OPEN" in picture
    assert any("└─api.restart" in line and "running" in line for line in picture)


async def test_a_failure_nobody_listens_to_is_named(kit: Cell, api: Service) -> None:
    """A wrong subject in a test does not end in a riddle."""
    receipt = await kit.publish(ServiceFailed(subject="api"))
    with pytest.raises(Unmet, match=r"no handler is subscribed to service\.failed about api"):
        await kit.settled(receipt, within="10ms")


async def test_a_recovery_that_is_not_there_is_named(kit: Cell) -> None:
    """An id of nowhere is a mistake of the test, whether it waits or looks."""
    for look in (kit.trace("nobody"), kit.settled("nobody", within="10ms")):
        with pytest.raises(LookupError, match="no recovery 'nobody' is recorded in this cell"):
            await look


async def test_what_is_expected_and_not_so_shows_the_trace(kit: Cell, api: Service) -> None:
    """Each sentence that is not met says what was wanted and what was seen, above the picture."""
    trace = await failed(kit, api)
    it = expect(trace)
    wrong: dict[str, Callable[[], object]] = {
        "the recovery to be failed; it is completed": it.failed,
        "the recovery to be partial; it is completed": it.partial,
        "the recovery to be halted; it is completed": it.halted,
        "the recovery to be cancelled; it is completed": it.cancelled,
        "api.restart to be undone; it never was undone": lambda: it.undone("api.restart"),
        "api.restart to run 2 times; it ran once": lambda: it.ran("api.restart", times=2),
        "api.restart not to run; it ran once": lambda: it.did_not_run("api.restart"),
        "web.reopen to run; it never ran": lambda: it.ran("web.reopen"),
        "api.restart to die; its deliveries: completed": lambda: it.died("api.restart"),
        "cache.warmed to be published; it never was published": lambda: it.published(CacheWarmed),
        "service.restarted about api not to be published; it was published once": lambda: (
            it.did_not_publish(ServiceRestarted, subject="api")
        ),
        "a delivery to be held by rate; the guards that did so: none": lambda: it.held_by("rate"),
        "api.restart to be suppressed by budget; the guards that did so: none": lambda: (
            it.suppressed_by("budget", "api.restart")
        ),
        "people to be told by budget; the guards that did so: none": lambda: it.escalated_by(
            "budget"
        ),
    }
    for words, check in wrong.items():
        with pytest.raises(Unmet) as unmet:
            check()
        assert str(unmet.value).startswith(f"expected {words}\n\nRecovery {trace.correlation_id}")
    with pytest.raises(ValueError, match=r"'restart' names no handler: write it as 'service\."):
        it.did_not_run("restart")


async def test_guards_are_seen_at_work(kit: Cell) -> None:
    """Held, suppressed, escalated, dead: each has its sentence, and people's list is at hand."""
    api = Service("api")

    @api.on(ServiceFailed.about("api"), budget="1/10m")
    async def restart(failed: ServiceFailed) -> None:
        raise TransientError("no process")

    @api.on(ServiceFailed.about("web"), retry=Retry(attempts=1))
    async def reload(failed: ServiceFailed) -> None:
        raise ValueError("no configuration")

    expect(await failed(kit, api)).suppressed_by("budget", "api.restart").escalated_by("budget")
    assert [told.subject for told in await kit.escalations()] == ["api"]
    trace = await failed(kit, api, subject="web")
    expect(trace).failed().died("api.reload", because="ValueError: no configuration")
    with pytest.raises(
        Unmet, match=r"api\.reload to die because of 'disk'; it died of ValueError: "
    ):
        expect(trace).died("api.reload", because="disk")


async def test_what_went_well_in_part_is_partial(kit: Cell, api: Service) -> None:
    """One of two handlers dies."""
    web = Service("web")

    @web.on(ServiceFailed, retry=Retry(attempts=1))
    async def reload(failed: ServiceFailed) -> None:
        raise ValueError("no configuration")

    expect(await failed(kit, api, web)).partial().ran("api.restart").died("web.reload")


async def test_what_hears_of_the_end_is_waited_for(kit: Cell, api: Service) -> None:
    """A handler of the closing event is in the trace of the recovery that closed."""
    ops = Service("ops")

    @ops.on(RecoveryCompleted)
    async def tell(completed: RecoveryCompleted) -> None:
        """Tell the team."""

    async with kit.running(api, ops):
        receipt = await kit.publish(ServiceFailed(subject="api"))
        await kit.until(receipt, lambda it: it.completed().ran("ops.tell", times=1))


async def test_a_loop_is_halted(kit: Cell) -> None:
    """A service that answers itself for ever is a test of a few milliseconds."""
    api = Service("api")

    @api.on(ServiceFailed, ServiceRestarted)
    async def restart(event: ServiceFailed | ServiceRestarted) -> ServiceRestarted:
        return ServiceRestarted(subject=event.subject)

    expect(await failed(kit, api)).halted().ran("api.restart", times=3)


async def test_settings_are_the_tests_to_choose(redis_url: str, api: Service) -> None:
    """A deployment's settings hold here as well; what is held is waited for without its end."""
    limits = {"api.restart": {"rate": "1/1m"}}
    async with Cell.open(redis_url, handlers=limits) as cell, cell.running(api):
        await cell.settled(await cell.publish(ServiceFailed(subject="one")))
        second = await cell.publish(ServiceFailed(subject="two"))
        trace = await cell.until(second, lambda it: it.held_by("rate", "api.restart"))
        assert trace.status == "open"
    for wrong, text in ("cell", "antiphon"), ("leash", "1s"):
        with pytest.raises(ConfigurationError, match=wrong):
            await Cell.open(redis_url, hurry=False, **{wrong: text}).__aenter__()


async def test_nothing_of_a_cell_is_left(redis_url: str, api: Service) -> None:
    """A server that outlives the test has none of its keys, and keeps those of others."""
    async with Cell.open(redis_url) as other:
        receipt = await other.publish(ServiceFailed(subject="api"))
        async with Cell.open(redis_url) as cell:
            await failed(cell, api)
            name = cell.settings.cell
        with Redis.from_url(redis_url, decode_responses=True) as client:
            assert keys_of(client, name) == []
        assert (await other.trace(receipt)).status == "open"


async def test_a_cell_brings_a_server_of_its_own(api: Service) -> None:
    """Without a URL nothing needs to run before the test, and nothing runs after it."""
    async with Cell.open() as cell:
        expect(await failed(cell, api)).completed()
        url = str(cell.settings.redis_url)
    assert not answers(url)


async def test_cells_share_a_server(api: Service) -> None:
    """One server serves any number of cells, also at once."""
    with temporary_server() as url:
        async with Cell.open(url) as one, Cell.open(url) as other:
            for trace in await asyncio.gather(failed(one, api), failed(other, api)):
                expect(trace).completed().ran("api.restart", times=1)


# Time.


def _retrying(trace: Trace) -> None:
    assert [step.outcome for step in trace.steps] == [StepOutcome.RETRYING]


async def test_retries_follow_at_once_in_a_hurry(kit: Cell, redis_url: str) -> None:
    """Minutes between attempts become milliseconds; without a hurry they stay what they are."""
    api = Service("api")

    @api.on(ServiceFailed, retry=Retry(attempts=4, first="10m", longest="1h"))
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        if recovery.attempt == 1:
            raise TransientError("the host boots", retry_after=timedelta(hours=1))
        if recovery.attempt < 4:
            raise OSError("not yet")

    expect(await failed(kit, api)).completed().ran("api.restart", times=4)
    async with Cell.open(redis_url) as cell, cell.running(api):
        receipt = await cell.publish(ServiceFailed(subject="api"))
        trace = await cell.until(receipt, lambda it: _retrying(it.trace))
        due = trace.steps[0].due
    assert due is not None
    assert due - datetime.now(UTC) > timedelta(minutes=50)


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


def test_a_chance_is_a_probability(api: Service) -> None:
    """Thirty percent is 0.3."""
    with pytest.raises(ConfigurationError, match=r"chance=30 is not from 0\.0 to 1\.0"):
        unreliable(api, chance=30)


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


# The page.


def test_every_public_name_of_the_kit_is_listed() -> None:
    """The reference has a row for what `antiphon.testing` exports, each once."""
    kit = section("reference/python-api.md", "## `antiphon.testing`: the test kit")
    listed = [name for row in rows(kit) for name in code(row[0])]
    assert sorted(listed) == sorted(testing.__all__)


def test_every_expectation_is_shown() -> None:
    """The page's table has a row for each sentence of `Expectation`."""
    (table,) = tables(section(PAGE, "## Run a recovery from end to end"))
    shown = [name for row in table for name in re.findall(r"`\.(\w+)\(", row[0])]
    assert sorted(shown) == sorted(n for n in vars(testing.Expectation) if not n.startswith("_"))


def test_the_page_shows_tests_that_pass(tmp_path: Path) -> None:
    """Whoever copies what the page shows has tests that run, and catch what they should."""
    fixture, *tests = (block.text for block in blocks(PAGE, "python", "run"))
    (tmp_path / "conftest.py").write_text(fixture)
    for number, test in enumerate(tests):
        (tmp_path / f"test_shop_{number}.py").write_text(test)
    ended = subprocess.run(
        [sys.executable, *PYTEST],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

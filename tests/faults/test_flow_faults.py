"""Whatever a recovery waits for, it gets it once, though workers and the server are killed."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import waiting_shop
from antiphon import Publisher, Settings
from antiphon.broker.approvals import Approvals
from antiphon.broker.errand import Errand
from antiphon.broker.server import EmbeddedServer
from antiphon.records import Record
from antiphon_events import (
    DatabaseFailed,
    DependencyUnavailable,
    Event,
    ServiceDegraded,
    ServiceFailed,
    ServiceUnhealthy,
)
from child import Child
from support import until
from witness import Witness, changed, rows, running
from world import World

_Going = Callable[[Settings, World], Awaitable[None]]


async def _go(settings: Settings, world: World) -> None:
    world.raise_flag("go")


async def _approve(settings: Settings, world: World) -> None:
    async with Errand.begin(settings) as errand:
        [ask] = await Approvals(errand).waiting()
        await Approvals(errand).answer(ask.id, by="ana", grant=True, reason="")


@dataclass(frozen=True)
class Situation:
    """What a recovery waits for when the blow falls, and what must come of it."""

    begins: Event
    waits: tuple[str, dict[str, str]]
    """The row of the ledger by which it is seen to wait."""
    effects: tuple[str, ...]
    verdict: str
    once: dict[str, int]
    """How many rows of a kind the ledger has at the end."""
    events: dict[str, int] = field(default_factory=dict)
    """How many events of a type there are at the end."""
    goes_on: _Going = _go
    in_midst_of: str = ""
    """The effect that is under way."""


SITUATIONS = {
    "an approval is pending": Situation(
        ServiceFailed(subject="api"),
        ("held", {"guard": "approval"}),
        ("restart api",),
        "completed",
        {"asked": 1, "approved": 1, "held": 1, "started": 1, "completed": 1},
        {"approval.requested": 1, "approval.granted": 1, "service.restarted": 1},
        goes_on=_approve,
    ),
    "an event is put off": Situation(
        ServiceUnhealthy(subject="api"),
        ("scheduled", {}),
        ("look again api",),
        "completed",
        {"scheduled": 1},
        {"look.due": 1},
    ),
    "a join waits": Situation(
        DependencyUnavailable(subject="api"),
        ("joined", {}),
        ("go without cache.warmed@never",),
        "partial",
        {"joined": 1, "timed_out": 1, "late": 0},
        {"join.timed_out": 1, "service.recovered": 1},
    ),
    "a step is being undone": Situation(
        DatabaseFailed(subject="db"),
        ("undo", {}),
        ("cool db", "unrestore db"),
        "partial",
        {"undoing": 1, "undo": 2, "died": 1},
        {"database.restored": 1, "service.restarted": 1},
        in_midst_of="cool db",
    ),
    "a child runs": Situation(
        ServiceDegraded(subject="shop"),
        ("child", {}),
        ("fill cache", "hear of cache: completed"),
        "completed",
        {"child": 1, "child_closed": 1},
        {"cache.lost": 1, "cache.warmed": 1, "child.closed": 1},
        in_midst_of="fill cache",
    ),
}

each_situation = pytest.mark.parametrize("situation", SITUATIONS.values(), ids=SITUATIONS.keys())


@asynccontextmanager
async def _worker(settings: Settings, folder: Path, name: str) -> AsyncIterator[Child]:
    """A worker in a process of its own."""
    log = folder / f"{name}.log"
    async with Child.running("doomed_flow:shop", settings, log, WORLD=str(folder)) as child:
        yield child


async def _waits(situation: Situation, settings: Settings, witness: Witness, world: World) -> str:
    """Begin the recovery, and wait until it waits; returns its correlation id."""
    async with Publisher(settings, source="alert") as publisher:
        receipt = await publisher.publish(situation.begins)
    kind, fields = situation.waits
    await witness.told(receipt.correlation_id, kind, **fields)
    if situation.in_midst_of:
        await until(lambda: world.flag(f"in {situation.in_midst_of}"), 30)
    return receipt.correlation_id


async def _is_as_it_should(
    situation: Situation, correlation_id: str, witness: Witness, world: World
) -> Record:
    """Wait for the end, and count everything."""
    record = await witness.closed(correlation_id, verdict=situation.verdict)
    for effect in situation.effects:
        assert world.done(effect) == 1, effect
    for kind, count in situation.once.items():
        assert len(rows(record, kind)) == count, (kind, record.ledger)
    for event_type, count in situation.events.items():
        assert len(await witness.entries(event_type)) == count, event_type
    closings = await witness.entries(f"recovery.{situation.verdict}")
    assert [e["correlationid"] for e in closings].count(correlation_id) == 1
    completions = Counter(
        (row.text("group"), row.text("event")) for row in rows(record, "completed")
    )
    assert set(completions.values()) <= {1}
    assert record.outstanding == ()
    assert await witness.open_recoveries() == []
    assert not await witness.client.exists(witness.keys.timers)
    return record


@each_situation
async def test_another_worker_takes_over(
    settings: Settings, witness: Witness, world: World, tmp_path: Path, situation: Situation
) -> None:
    """The worker is killed while the recovery waits: another goes on, and does nothing twice."""
    settings = changed(settings, lease="500ms")
    async with _worker(settings, tmp_path, "first") as worker:
        correlation_id = await _waits(situation, settings, witness, world)
        worker.signal(signal.SIGKILL)
        await worker.end(expected=-signal.SIGKILL)
    await situation.goes_on(settings, world)
    async with running(waiting_shop.service(world, settings)):
        await _is_as_it_should(situation, correlation_id, witness, world)


@each_situation
async def test_the_server_comes_back(
    server: EmbeddedServer, world: World, tmp_path: Path, situation: Situation
) -> None:
    """The server is killed while the recovery waits: nothing is forgotten, nothing done twice."""
    settings = Settings(redis_url=server.url, lease="5s")
    async with _worker(settings, tmp_path, "worker"):
        async with Witness.open(settings) as before:
            correlation_id = await _waits(situation, settings, before, world)
        server.kill()
        server.restart()
        await situation.goes_on(settings, world)
        async with Witness.open(settings) as after:
            await _is_as_it_should(situation, correlation_id, after, world)


@each_situation
async def test_what_is_due_meanwhile_comes_when_the_server_does(
    server: EmbeddedServer, world: World, tmp_path: Path, situation: Situation
) -> None:
    """Worker and server are away until long after the time: it comes once, at their return."""
    settings = Settings(redis_url=server.url, lease="500ms")
    async with (
        Witness.open(settings) as before,
        _worker(settings, tmp_path, "first") as worker,
    ):
        correlation_id = await _waits(situation, settings, before, world)
        server.kill()
        worker.signal(signal.SIGKILL)
        await worker.end(expected=-signal.SIGKILL)
    await asyncio.sleep(2)  # the time that passes is what is tested
    server.restart()
    await situation.goes_on(settings, world)
    async with Witness.open(settings) as after, running(waiting_shop.service(world, settings)):
        await _is_as_it_should(situation, correlation_id, after, world)


async def test_two_workers_ring_the_same_timers(
    settings: Settings, witness: Witness, world: World, tmp_path: Path
) -> None:
    """Both see that something is due, and each thing comes once."""
    settings = changed(settings, storm="1000/1m")
    world.raise_flag("go")
    many = [f"n{number}" for number in range(15)]
    async with AsyncExitStack() as stack:
        for name in ("first", "second", "third"):
            await stack.enter_async_context(_worker(settings, tmp_path, name))
        publisher = await stack.enter_async_context(Publisher(settings, source="alert"))
        kinds = (
            (ServiceUnhealthy, "completed"),
            (DependencyUnavailable, "partial"),
            (ServiceDegraded, "completed"),
        )
        begun = [
            (await publisher.publish(kind(subject=subject)), verdict)
            for subject in many
            for kind, verdict in kinds
        ]
        begun.append((await publisher.publish(DatabaseFailed(subject="db")), "partial"))
        records = [
            await witness.closed(receipt.correlation_id, verdict=verdict)
            for receipt, verdict in begun
        ]
    for subject in many:
        assert world.done(f"look again {subject}") == 1
    assert (world.done("cool db"), world.done("unrestore db")) == (1, 1)
    assert world.done("go without cache.warmed@never") == len(many)
    assert world.done("hear of cache: completed") == len(many)
    for event_type in ("look.due", "join.timed_out", "child.closed"):
        ids = [entry["id"] for entry in await witness.entries(event_type)]
        assert len(set(ids)) == len(ids) == len(many), event_type
    for verdict in ("completed", "partial"):
        closings = [e["correlationid"] for e in await witness.entries(f"recovery.{verdict}")]
        assert len(set(closings)) == len(closings)
    assert sum(len(rows(record, "undo")) for record in records) == 2
    assert not await witness.client.exists(witness.keys.timers)

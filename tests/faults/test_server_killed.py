"""The server is killed, and comes back on the same data."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

import restoring
from antiphon import Publisher, Service, Settings, StreamUnavailable
from antiphon.broker.faults import pause_s
from antiphon.broker.server import EmbeddedServer
from antiphon_events import DatabaseRestored, ServiceFailed
from child import StartChild
from support import until
from witness import Witness, changed, rows, running
from world import World


class Outage:
    """Counts how often a round trip was found to have failed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.noticed = 0

        def noticing(failures: int) -> float:
            self.noticed += 1
            return pause_s(failures)

        monkeypatch.setattr("antiphon.broker.gather.pause_s", noticing)


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    return Outage(monkeypatch)


@pytest.fixture
def settings(server: EmbeddedServer) -> Settings:
    return Settings(redis_url=server.url, lease="500ms")


@pytest.fixture
async def witness(settings: Settings) -> AsyncIterator[Witness]:
    async with Witness.open(settings) as seen:
        yield seen


def _orders(settings: Settings) -> Service:
    orders = Service("orders", settings=settings)

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject=failed.subject)

    return orders


async def test_nothing_acknowledged_is_lost(
    server: EmbeddedServer, settings: Settings, witness: Witness
) -> None:
    """With appendfsync always a crash costs time only; workers go on by themselves."""
    settings = changed(settings, storm="1000/1m")  # so many subjects are what the brake is for
    events = [ServiceFailed(subject=f"db-{number}") for number in range(60)]
    acknowledged = []
    async with running(_orders(settings)), Publisher(settings) as publisher:

        async def publish(event: ServiceFailed) -> None:
            acknowledged.append(await publisher.publish(event))

        async with asyncio.TaskGroup() as publishing:
            for event in events:
                publishing.create_task(publish(event))
            await until(lambda: acknowledged)
            server.kill()
            server.restart()
        for receipt in acknowledged:
            record = await witness.closed(receipt.correlation_id)
            assert len(rows(record, "completed")) == 1
    for event_type in ("service.failed", "database.restored"):
        subjects = [entry["subject"] for entry in await witness.entries(event_type)]
        assert sorted(subjects) == sorted(event.subject for event in events)


async def test_a_step_that_ends_meanwhile_is_committed_later(
    server: EmbeddedServer, settings: Settings, witness: Witness, outage: Outage
) -> None:
    """A handler that outlives the server's absence keeps its lease, and commits one outcome."""
    settings = changed(settings, lease="10m")
    orders = Service("orders", settings=settings)
    begun, may_end = asyncio.Event(), asyncio.Event()

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        begun.set()
        await may_end.wait()
        return DatabaseRestored(subject=failed.subject)

    async with running(orders):
        receipt = await orders.publish(ServiceFailed(subject="db"))
        await begun.wait()
        server.kill()
        may_end.set()
        await until(lambda: outage.noticed)
        server.restart()
        record = await witness.closed(receipt.correlation_id)
    assert len(rows(record, "started")) == len(rows(record, "completed")) == 1
    assert len(await witness.entries("database.restored")) == 1


async def test_a_publisher_waits_for_the_server(
    server: EmbeddedServer, settings: Settings, witness: Witness, outage: Outage
) -> None:
    """An event published while the server is away is published when it is back."""
    async with running(_orders(settings)), Publisher(settings) as publisher:
        server.kill()
        publishing = asyncio.create_task(publisher.publish(ServiceFailed(subject="db")))
        await until(lambda: outage.noticed)
        server.restart()
        receipt = await publishing
        await witness.closed(receipt.correlation_id)
    assert len(await witness.entries("service.failed")) == 1


async def test_a_publisher_that_gives_up_says_so(
    server: EmbeddedServer,
    settings: Settings,
    witness: Witness,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After its patience the publisher raises; repeating with the same envelope is safe."""
    monkeypatch.setattr("antiphon.publisher._PATIENCE", timedelta(milliseconds=200))
    event = ServiceFailed(subject="db")
    async with Publisher(settings) as publisher:
        envelope = publisher.prepare(event)
        server.kill()
        with pytest.raises(StreamUnavailable, match="the Redis server cannot be used"):
            await publisher.publish(event, envelope=envelope)
        server.restart()
        receipts = [await publisher.publish(event, envelope=envelope) for _ in range(2)]
    assert [receipt.repeated for receipt in receipts] == [False, True]
    [entry] = await witness.entries("service.failed")
    assert entry["id"] == envelope.id


async def test_a_frozen_server_hears_twice_and_acts_once(
    server: EmbeddedServer,
    settings: Settings,
    witness: Witness,
    outage: Outage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command that timed out may still be done later; its repetition changes nothing."""
    monkeypatch.setattr("antiphon.broker.wire._LIMIT_S", 0.2)
    async with Publisher(settings) as publisher:
        await publisher.publish(ServiceFailed(subject="first"))
        os.kill(server.pid, signal.SIGSTOP)
        publishing = asyncio.create_task(publisher.publish(ServiceFailed(subject="db")))
        await until(lambda: outage.noticed)
        os.kill(server.pid, signal.SIGCONT)
        receipt = await publishing
    found = await witness.entries("service.failed")
    assert [entry["subject"] for entry in found] == ["first", "db"]
    assert found[1]["id"] == receipt.event_id


async def test_a_worker_can_stop_without_the_server(
    server: EmbeddedServer,
    settings: Settings,
    witness: Witness,
    world: World,
    doomed_worker: StartChild,
) -> None:
    """SIGTERM ends a worker whose server is away, and what it held is finished by another."""
    settings = changed(settings, drain="200ms")
    async with doomed_worker(settings, "linger") as worker, Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await until(lambda: world.flag("lingering"))
        server.kill()
        world.raise_flag("go")
        await until(lambda: world.done("restore db"))
        worker.signal(signal.SIGTERM)
        await worker.end(expected=0)
        server.restart()
    async with running(restoring.service(world, settings)):
        await witness.closed(receipt.correlation_id)
    assert len(await witness.entries("database.restored")) == 1

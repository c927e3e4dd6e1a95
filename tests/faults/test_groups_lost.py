"""Groups, streams and scripts vanish from the server while workers run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from antiphon import PermanentError, Publisher, Recovery, Service, Settings
from antiphon.broker.server import EmbeddedServer
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed
from support import until
from witness import Witness, changed, rows, running

GROUP, TYPE = "orders.restore", "service.failed"


class Orders:
    """Counts how often its handler ran for each subject."""

    def __init__(self, settings: Settings) -> None:
        self.service = Service("orders", settings=settings)
        self.ran: list[str] = []

        @self.service.on(ServiceFailed)
        async def restore(failed: ServiceFailed) -> DatabaseRestored:
            self.ran.append(failed.subject)
            return DatabaseRestored(subject=failed.subject)


@pytest.fixture
def settings(server: EmbeddedServer) -> Settings:
    return Settings(redis_url=server.url)


@pytest.fixture
async def witness(settings: Settings) -> AsyncIterator[Witness]:
    async with Witness.open(settings) as seen:
        yield seen


@pytest.mark.parametrize("loss", ["group destroyed", "stream deleted", "everything flushed"])
async def test_a_lost_group_is_made_again(
    settings: Settings, witness: Witness, logs: list[MutableMapping[str, Any]], loss: str
) -> None:
    """A worker recreates its group, says so as an error, and goes on; nothing is done twice."""
    orders, client = Orders(settings), witness.client
    stream = witness.keys.events(TYPE)
    async with Publisher(settings) as publisher, running(orders.service):
        before = await publisher.publish(ServiceFailed(subject="before"))
        await witness.closed(before.correlation_id)
        match loss:
            case "group destroyed":
                await client.xgroup_destroy(stream, GROUP)
            case "stream deleted":
                await client.delete(stream)
            case "everything flushed":
                await client.flushall()
        await until(lambda: _said(logs, "group.recreated"))
        after = await publisher.publish(ServiceFailed(subject="after"))
        await witness.closed(after.correlation_id)

    assert orders.ran == ["before", "after"]
    assert [line["group"] for line in _said(logs, "group.lost")] == [GROUP]
    assert {line["log_level"] for line in _said(logs, "group.lost")} == {"error"}
    assert {line["log_level"] for line in _said(logs, "group.recreated")} == {"error"}


async def test_nothing_written_meanwhile_is_missed(settings: Settings, witness: Witness) -> None:
    """A lost group begins again at the first entry, so what came while it was gone is handled."""
    orders, stream = Orders(settings), witness.keys.events(TYPE)
    async with Publisher(settings) as publisher, running(orders.service):
        before = await publisher.publish(ServiceFailed(subject="before"))
        await witness.closed(before.correlation_id)
        async with witness.client.pipeline(transaction=True) as at_once:
            at_once.xgroup_destroy(stream, GROUP)
            at_once.xadd(stream, {"subject": "meanwhile", "correlationid": "m"})
            await at_once.execute()
        await witness.closed("m")
    assert orders.ran == ["before", "meanwhile"]


async def test_a_delivery_outlives_its_group(settings: Settings, witness: Witness) -> None:
    """A handler that runs while its group is lost and made again commits its one outcome."""
    service = Service("orders", settings=settings)
    begun, may_end = asyncio.Event(), asyncio.Event()
    attempts: list[int] = []

    @service.on(ServiceFailed)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        attempts.append(recovery.attempt)
        begun.set()
        await may_end.wait()
        return DatabaseRestored(subject=failed.subject)

    async with running(service):
        receipt = await service.publish(ServiceFailed(subject="db"))
        await begun.wait()
        await witness.client.xgroup_destroy(witness.keys.events(TYPE), GROUP)
        await until(lambda: _pending(witness))
        may_end.set()
        await witness.closed(receipt.correlation_id)
    assert attempts == [1]
    assert len(await witness.entries("database.restored")) == 1


async def test_the_dead_stay_dead(settings: Settings, witness: Witness) -> None:
    """A group made again does not rouse what it had buried, though its recovery is still open."""
    service = Service("orders", settings=settings)
    may_end = asyncio.Event()
    tried: list[str] = []

    @service.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> None:
        tried.append(failed.subject)
        raise PermanentError("there is no backup")

    @service.on(ServiceFailed)
    async def warm(failed: ServiceFailed) -> CacheWarmed:
        await may_end.wait()
        return CacheWarmed(subject="cache")

    async with running(service):
        receipt = await service.publish(ServiceFailed(subject="db"))
        await witness.told(receipt.correlation_id, "died")
        await witness.client.xgroup_destroy(witness.keys.events(TYPE), GROUP)
        await until(lambda: _read_again(witness))
        may_end.set()
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert tried == ["db"]
    assert len(await witness.dead_letters()) == record.summary.dead == 1


async def test_scripts_are_loaded_again(settings: Settings, witness: Witness) -> None:
    """SCRIPT FLUSH under load costs a round trip: no call fails, none is done twice."""
    settings = changed(settings, storm="1000/1m")  # so many subjects are what the brake is for
    orders = Orders(settings)
    subjects = [f"db-{number}" for number in range(100)]
    async with Publisher(settings) as publisher, running(orders.service):
        for subject in subjects:
            await witness.client.script_flush()
            receipt = await publisher.publish(ServiceFailed(subject=subject))
        for correlation_id in {r["correlationid"] for r in await witness.entries(TYPE)}:
            await witness.closed(correlation_id)
        record = await witness.closed(receipt.correlation_id)
    assert sorted(orders.ran) == sorted(subjects)
    assert len(rows(record, "completed")) == 1


async def test_readers_come_back(settings: Settings, witness: Witness) -> None:
    """A reader whose connection is killed connects again, and what came meanwhile is handled."""
    orders = Orders(settings)
    async with Publisher(settings) as publisher, running(orders.service):
        for number in range(5):
            for connection in await until(lambda: _blocked(witness)):
                await witness.client.client_kill_filter(_id=connection)
            receipt = await publisher.publish(ServiceFailed(subject=f"db-{number}"))
            await witness.closed(receipt.correlation_id)
    assert orders.ran == [f"db-{number}" for number in range(5)]


def _said(logs: list[MutableMapping[str, Any]], event: str) -> list[MutableMapping[str, Any]]:
    return [line for line in logs if line["event"] == event]


async def _pending(witness: Witness) -> bool:
    groups = await witness.client.xinfo_groups(witness.keys.events(TYPE))
    return any(group["name"] == GROUP.encode() and group["pending"] for group in groups)


async def _read_again(witness: Witness) -> bool:
    groups = await witness.client.xinfo_groups(witness.keys.events(TYPE))
    return any(
        group["name"] == GROUP.encode() and group["entries-read"] and not group["pending"]
        for group in groups
    )


async def _blocked(witness: Witness) -> list[str]:
    clients = await witness.client.client_list()
    return [client["id"] for client in clients if client["cmd"] == "xreadgroup"]

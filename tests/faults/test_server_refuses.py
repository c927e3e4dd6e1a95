"""The server answers, and refuses to write: a replica, a full disk, too few replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from antiphon import Publisher, Service, Settings
from antiphon.broker.server import EmbeddedServer
from antiphon_events import DatabaseRestored, ServiceFailed
from support import until
from witness import Witness, rows, running

Refusing = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
def settings(server: EmbeddedServer) -> Settings:
    return Settings(redis_url=server.url, lease="500ms", block="100ms", drain="100ms")


@pytest.fixture
async def witness(settings: Settings) -> AsyncIterator[Witness]:
    async with Witness.open(settings) as seen:
        yield seen


REFUSALS = {
    "too few replicas": (
        "CONFIG SET min-replicas-to-write 1",
        "CONFIG SET min-replicas-to-write 0",
    ),
    "out of memory": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "demoted to a replica": ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
}


@pytest.fixture(params=REFUSALS.values(), ids=list(REFUSALS))
def refusing(request: pytest.FixtureRequest, witness: Witness) -> Refusing:
    """Meanwhile the server does no write."""
    begin, end = request.param

    @asynccontextmanager
    async def refusing() -> AsyncIterator[None]:
        await witness.client.execute_command(*begin.split())
        try:
            yield
        finally:
            await witness.client.execute_command(*end.split())

    return refusing


async def _refused(witness: Witness) -> int:
    errors: int = (await witness.client.info("stats"))["total_error_replies"]
    return errors


async def test_work_goes_on_when_it_writes_again(
    settings: Settings,
    witness: Witness,
    refusing: Refusing,
    logs: list[MutableMapping[str, Any]],
) -> None:
    """A step that finished meanwhile is committed once the server accepts it, and only once."""
    orders = Service("orders", settings=settings)
    begun, may_end = asyncio.Event(), asyncio.Event()

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        begun.set()
        await may_end.wait()
        return DatabaseRestored(subject=failed.subject)

    async with running(orders), Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await begun.wait()
        async with refusing():
            before = await _refused(witness)
            may_end.set()
            await until(lambda: _refused_more(witness, before + 5))
        record = await witness.closed(receipt.correlation_id)
        later = await publisher.publish(ServiceFailed(subject="later"))
        await witness.closed(later.correlation_id)
    assert len(rows(record, "completed")) == 1
    assert [line for line in logs if line["event"].startswith("group.")] == []  # none was lost
    restored = await witness.entries("database.restored")
    assert [entry["subject"] for entry in restored] == ["db", "later"]


async def test_a_worker_can_stop_meanwhile(
    settings: Settings, witness: Witness, refusing: Refusing
) -> None:
    """Stopping does not wait for a server that may refuse for hours."""
    orders = Service("orders", settings=settings)

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> None: ...

    async with running(orders), refusing():
        before = await _refused(witness)
        await until(lambda: _refused_more(witness, before + 5))
        async with asyncio.timeout(20):
            await orders.stop()


async def _refused_more(witness: Witness, than: int) -> bool:
    return await _refused(witness) > than

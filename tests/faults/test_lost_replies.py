"""The connection breaks after a command was done and before its reply arrived."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from antiphon import PermanentError, Publisher, Recovery, Service, Settings, TransientError
from antiphon.broker.scripts import script
from antiphon.broker.server import EmbeddedServer
from antiphon_events import DatabaseRestored, ServiceFailed
from proxy import LossyProxy
from support import until
from witness import Witness, changed, rows, running


@pytest.fixture
async def proxy(shared_server: EmbeddedServer) -> AsyncIterator[LossyProxy]:
    async with LossyProxy.before(shared_server.url) as proxy:
        yield proxy


@pytest.fixture
def through(settings: Settings, proxy: LossyProxy) -> Settings:
    """The way through the proxy; nothing here may depend on a lease that ends."""
    return changed(settings, redis_url=proxy.url, lease="10m")


async def test_an_event_is_published_once(
    through: Settings, proxy: LossyProxy, witness: Witness
) -> None:
    """Publishing is repeated by itself, recognised as a repetition, and makes one entry."""
    async with Publisher(through) as publisher:
        await publisher.publish(ServiceFailed(subject="first"))
        proxy.lose_reply(script("publish").sha)
        receipt = await publisher.publish(ServiceFailed(subject="db"))
    assert proxy.lost == 1
    assert receipt.repeated
    _, entry = await witness.entries("service.failed")
    assert (entry["entry"], entry["id"]) == (receipt.entry_id, receipt.event_id)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("admit", ["started", "completed"]),
        ("commit", ["started", "completed"]),
        ("postpone", ["started", "retried", "started", "completed"]),
        ("bury", ["started", "died"]),
    ],
)
async def test_a_step_is_settled_once(
    through: Settings, proxy: LossyProxy, witness: Witness, *, lost: str, told: list[str]
) -> None:
    """Whichever reply is lost, the step is admitted, put off, committed or buried one time only."""
    orders = Service("orders", settings=through)

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        if failed.reason == "bury":
            raise PermanentError("there is no backup")
        if failed.reason == "postpone" and recovery.attempt == 1:
            raise TransientError("away", retry_after=timedelta(0))
        return DatabaseRestored(subject=failed.subject)

    dies = lost == "bury"
    verdict = "failed" if dies else "completed"
    async with running(orders), Publisher(through) as publisher:
        for subject in ("first", "db"):  # the first time a script is loaded, not run
            if subject == "db":
                proxy.lose_reply(script(lost).sha)
            receipt = await publisher.publish(ServiceFailed(subject=subject, reason=lost))
            record = await witness.closed(receipt.correlation_id, verdict=verdict)

    assert proxy.lost == 1
    kinds = [row.kind for row in record.ledger if row.text("group") == "orders.restore"]
    assert kinds == told
    assert (record.summary.done, record.summary.dead) == ((0, 1) if dies else (1, 0))
    assert len(await witness.entries("database.restored")) == (0 if dies else 2)
    assert len(await witness.dead_letters()) == (2 if dies else 0)


async def test_what_was_read_is_not_forgotten(
    through: Settings, settings: Settings, proxy: LossyProxy, witness: Witness
) -> None:
    """An entry whose delivery got lost on the way is taken up again at once, by the same worker."""
    orders = Service("orders", settings=through)

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> None: ...

    async with running(orders), Publisher(settings) as publisher:
        await until(lambda: _reads(witness))
        proxy.lose_reply("XREADGROUP")  # the one after the read that waits now
        for subject in ("first", "db"):
            receipt = await publisher.publish(ServiceFailed(subject=subject))
            record = await witness.closed(receipt.correlation_id)
            await until(lambda: _reads(witness))
    assert proxy.lost == 1
    assert len(rows(record, "started")) == 1


async def _reads(witness: Witness) -> bool:
    clients = await witness.client.client_list()
    return any(client["cmd"] == "xreadgroup" and "b" in client["flags"] for client in clients)

"""Entries vanish from their stream before they were handled: the record says what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from antiphon import Publisher, Receipt, Service, Settings
from antiphon_events import ServiceFailed
from witness import Witness, changed, rows, running

GROUP, TYPE = "orders.restore", "service.failed"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The auditor looks at a recovery once it is older than the lease, every second at most."""
    return changed(settings, lease="300ms")


def _orders(settings: Settings, *, quick: bool = False) -> Service:
    orders = Service("orders", settings=settings)

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> None: ...

    if quick:

        @orders.on(ServiceFailed)
        async def warm(failed: ServiceFailed) -> None: ...

    return orders


async def _publish_to_nobody(settings: Settings, *, quick: bool = False) -> Receipt:
    """Publish an event for handlers that are known and not running."""
    async with running(_orders(settings, quick=quick)):
        pass
    async with Publisher(settings) as publisher:
        return await publisher.publish(ServiceFailed(subject="db"))


@pytest.mark.parametrize("loss", ["deleted", "trimmed"])
async def test_what_was_never_read_is_missed(
    settings: Settings, witness: Witness, logs: list[MutableMapping[str, Any]], loss: str
) -> None:
    """An entry lost before anyone read it ends its recovery as failed, and is named."""
    receipt = await _publish_to_nobody(settings)
    stream = witness.keys.events(TYPE)
    if loss == "deleted":
        await witness.client.xdel(stream, receipt.entry_id)
    else:
        await witness.client.xtrim(stream, maxlen=0, approximate=False)
    async with running(_orders(settings)):
        record = await witness.closed(receipt.correlation_id, verdict="failed")

    reason = f"{GROUP}: the entry {receipt.entry_id} of {TYPE} was lost"
    assert record.summary.reasons == (reason,)
    assert (record.summary.done, record.summary.unanswered) == (0, 1)
    [lost] = rows(record, "lost")
    assert (lost.text("group"), lost.text("entry")) == (GROUP, receipt.entry_id)
    [failed] = await witness.entries("recovery.failed")
    assert reason in failed["data"]
    [line] = [line for line in logs if line["event"] == "delivery.lost"]
    assert (line["log_level"], line["correlation_id"]) == ("error", receipt.correlation_id)


async def test_what_its_worker_took_along_is_missed(
    settings: Settings, witness: Witness, logs: list[MutableMapping[str, Any]]
) -> None:
    """An entry lost while it was pending with a dead worker is named; the other steps count."""
    receipt = await _publish_to_nobody(settings, quick=True)
    stream = witness.keys.events(TYPE)
    for group in (GROUP, "orders.warm"):
        await witness.client.xreadgroup(group, "gone", {stream: ">"})
    async with running(_orders(settings)):  # it handles one of the two, and is stopped
        await witness.told(receipt.correlation_id, "completed", group=GROUP)
    await witness.client.xdel(stream, receipt.entry_id)
    async with running(_orders(settings, quick=True)):
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert record.summary.reasons == (
        f"orders.warm: the entry {receipt.entry_id} of {TYPE} was lost",
    )
    lost = [line for line in logs if line["event"] == "entry.lost"]
    assert [line["entry_id"] for line in lost] == [receipt.entry_id]


async def test_a_handler_whose_entry_vanishes_is_stopped(
    settings: Settings, witness: Witness
) -> None:
    """What cannot be acknowledged cannot be committed: the handler ends, the loss is named."""
    orders = Service("orders", settings=settings)
    begun, cancelled = asyncio.Event(), asyncio.Event()

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with running(orders):
        receipt = await orders.publish(ServiceFailed(subject="db"))
        await begun.wait()
        await witness.client.xdel(witness.keys.events(TYPE), receipt.entry_id)
        await cancelled.wait()
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert len(rows(record, "lost")) == record.summary.closes == 1

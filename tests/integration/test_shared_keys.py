"""Deliveries that share an idempotency key: one does the work, the others learn how it ended."""

from __future__ import annotations

import asyncio

import pytest

from antiphon import PermanentError, Publisher, Recovery, Service, Settings
from antiphon_events import DatabaseRestored, ServiceFailed
from witness import Witness, changed, rows, running


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return changed(settings, lease="10m")  # nobody waits for this lease to end


@pytest.mark.parametrize("dies", [False, True])
async def test_one_works_and_the_other_waits(
    settings: Settings, witness: Witness, *, dies: bool
) -> None:
    """The second waits until the first is through; then it is a duplicate, or takes its place."""
    settings = changed(settings, coalesce=False)  # two recoveries of one incident
    orders = Service("orders", settings=settings)
    may_end = asyncio.Event()
    ran: list[str] = []

    @orders.on(ServiceFailed, key="{subject}")
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        ran.append(recovery.correlation_id)
        await may_end.wait()
        if dies and recovery.correlation_id == ran[0]:
            raise PermanentError("there is no backup")
        return DatabaseRestored(subject=failed.subject)

    async with running(orders), Publisher(settings) as publisher:
        first = await publisher.publish(ServiceFailed(subject="db"))
        await witness.told(first.correlation_id, "started")
        second = await publisher.publish(ServiceFailed(subject="db"))
        other = await publisher.publish(ServiceFailed(subject="other-db"))
        waiting = await witness.told(second.correlation_id, "waiting")
        await witness.told(other.correlation_id, "started")
        may_end.set()
        await witness.closed(first.correlation_id, verdict="failed" if dies else "completed")
        record = await witness.closed(second.correlation_id)

    assert waiting.text("of").endswith(f"{first.entry_id}|orders.restore")
    ids = [first.correlation_id, other.correlation_id]
    assert ran == ([*ids, second.correlation_id] if dies else ids)
    assert len(rows(record, "duplicate")) == (0 if dies else 1)
    restored = await witness.entries("database.restored")
    assert sorted(entry["subject"] for entry in restored) == ["db", "other-db"]


async def test_a_retry_keeps_the_key(settings: Settings, witness: Witness) -> None:
    """Between two attempts the work is still the first delivery's: the second goes on waiting."""
    settings = changed(settings, coalesce=False)  # two recoveries of one incident
    orders = Service("orders", settings=settings)
    ran: list[tuple[str, int]] = []
    asked = asyncio.Event()

    @orders.on(ServiceFailed, key="{subject}")
    async def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        ran.append((recovery.correlation_id, recovery.attempt))
        if recovery.attempt == 1:
            await asked.wait()
            raise OSError("away")

    async with running(orders), Publisher(settings) as publisher:
        first = await publisher.publish(ServiceFailed(subject="db"))
        second = await publisher.publish(ServiceFailed(subject="db"))
        await witness.told(second.correlation_id, "waiting")
        asked.set()
        for receipt in (first, second):
            record = await witness.closed(receipt.correlation_id)
    assert ran == [(first.correlation_id, 1), (first.correlation_id, 2)]
    assert len(rows(record, "duplicate")) == 1


async def test_what_was_done_is_not_done_again(settings: Settings, witness: Witness) -> None:
    """A key that is done answers every later delivery at once, in its own recovery."""
    orders = Service("orders", settings=settings)
    ran: list[str] = []

    @orders.on(ServiceFailed, key=lambda failed: f"incident {failed.reason}")
    async def restore(failed: ServiceFailed) -> None:
        ran.append(failed.subject)

    async with running(orders):
        for subject in ("db", "replica"):
            receipt = await orders.publish(ServiceFailed(subject=subject, reason="42"))
            record = await witness.closed(receipt.correlation_id)
    assert ran == ["db"]
    assert len(rows(record, "duplicate")) == 1
    assert record.summary.done == 0


async def test_a_publisher_may_name_the_effect(settings: Settings, witness: Witness) -> None:
    """Two events with one idempotency key are one effect, whatever their ids."""
    orders = Service("orders", settings=settings)
    ran: list[str] = []

    @orders.on(ServiceFailed)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        ran.append(recovery.correlation_id)
        return DatabaseRestored(subject=failed.subject)

    async with running(orders), Publisher(settings) as publisher:
        failed = ServiceFailed(subject="db")
        first = await publisher.publish(failed, idempotency_key="incident-7")
        await witness.closed(first.correlation_id)
        second = await publisher.publish(failed, idempotency_key="incident-7")
        record = await witness.closed(second.correlation_id)

    assert ran == [first.correlation_id]
    assert len(rows(record, "duplicate")) == 1

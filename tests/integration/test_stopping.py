"""Stopping a worker: what it read is done or handed back, whatever it was busy with."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from antiphon import Publisher, Recovery, Retry, Service, Settings
from antiphon_events import DatabaseRestored, ServiceDegraded, ServiceFailed
from support import until
from witness import Witness, changed, rows, running

BACKLOG = 500


async def test_a_stop_strands_nothing(settings: Settings, witness: Witness) -> None:
    """With 500 entries waiting, a stop finishes what was begun; the next worker has the rest."""
    # Nobody waits for this lease to end; so many subjects are what the storm brake is for.
    settings = changed(settings, lease="10m", concurrency=20, storm="1000/1m")
    handled: list[str] = []

    def service() -> Service:
        orders = Service("orders", settings=settings)

        @orders.on(ServiceFailed)
        async def restore(failed: ServiceFailed) -> None:
            handled.append(failed.subject)

        return orders

    async with running(service()):
        pass  # so that the group is known, and everything published is its work
    subjects = [f"db-{number}" for number in range(BACKLOG)]
    async with Publisher(settings) as publisher:
        receipts = await asyncio.gather(
            *(publisher.publish(ServiceFailed(subject=subject)) for subject in subjects)
        )
    for enough in range(50, BACKLOG + 1, 50):
        async with running(service()):
            await until(partial(_has, handled, enough))
        assert await witness.pending("orders.restore", "service.failed") == 0
    for receipt in receipts:
        await witness.closed(receipt.correlation_id)
    assert sorted(handled) == sorted(subjects)


async def test_a_full_worker_can_stop(settings: Settings, witness: Witness) -> None:
    """A worker whose every place is taken stops as fast as one that waits for work."""
    settings = changed(settings, drain="100ms", lease="10m")
    orders = Service("orders", settings=settings)
    begun = asyncio.Event()

    @orders.on(ServiceFailed, concurrency=1)
    async def restore(failed: ServiceFailed) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with running(orders), Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await publisher.publish(ServiceFailed(subject="waiting"))
        await begun.wait()
        async with asyncio.timeout(10):
            await orders.stop()
    await witness.told(receipt.correlation_id, "released")


async def test_what_waits_for_its_turn_is_handed_back_too(
    settings: Settings, witness: Witness
) -> None:
    """An entry that was read and not begun is another worker's at once, as if never read."""
    settings = changed(settings, drain="100ms", lease="10m")
    begun, may_end = asyncio.Event(), asyncio.Event()

    def service() -> Service:
        orders = Service("orders", settings=settings)

        @orders.on(ServiceFailed, ServiceDegraded, concurrency=1)  # it reads one of each
        async def restore(event: ServiceFailed | ServiceDegraded) -> None:
            begun.set()
            await may_end.wait()

        return orders

    async with running(service()):
        pass  # so that both are there before anyone reads
    async with Publisher(settings) as publisher:
        receipts = [
            await publisher.publish(event)
            for event in (ServiceFailed(subject="db"), ServiceDegraded(subject="db"))
        ]
    async with running(service()):
        await begun.wait()
        for event_type in ("service.failed", "service.degraded"):
            assert await witness.pending("orders.restore", event_type) == 1
    may_end.set()
    async with running(service()):
        for receipt in receipts:
            record = await witness.closed(receipt.correlation_id)
            assert len(rows(record, "completed")) == 1


async def test_a_stop_right_after_the_start_is_quick(settings: Settings) -> None:
    """Even a read that has only just begun is not waited for as long as it may block."""
    settings = changed(settings, block="1m")
    for _ in range(5):
        orders = Service("orders", settings=settings)

        @orders.on(ServiceFailed)
        async def restore(failed: ServiceFailed) -> None: ...

        async with asyncio.timeout(20), running(orders):
            pass


@pytest.mark.parametrize("attempts", [1, 2, 3])
async def test_a_stopping_worker_takes_nothing_up_again(
    settings: Settings, witness: Witness, attempts: int
) -> None:
    """What is handed back, or falls due while a worker drains, is left to the others."""
    settings = changed(settings, drain="1500ms", lease="10m")  # a second is when timers look
    orders = Service("orders", settings=settings)
    begun = asyncio.Event()

    @orders.on(ServiceFailed, retry=Retry(attempts=9, first="1ms", longest="1ms"))
    async def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        if failed.subject == "busy" or recovery.attempt > attempts:
            begun.set()
            await asyncio.Event().wait()
        raise OSError("away")

    async with running(orders), Publisher(settings) as publisher:
        receipts = [
            await publisher.publish(ServiceFailed(subject=subject)) for subject in ("busy", "db")
        ]
        await begun.wait()
        await orders.stop()
    for receipt in receipts:
        record = await witness.record(receipt.correlation_id)
        assert record is not None
        assert record.ledger[-1].kind in {"released", "retried"}


async def test_a_thread_is_not_waited_for_in_vain(settings: Settings, witness: Witness) -> None:
    """A sync handler beyond the limit is handed back; what its thread returns counts no more."""
    settings = changed(settings, drain="100ms", lease="10m")
    begun, may_end = threading.Event(), threading.Event()
    tokens: list[int] = []

    def service() -> Service:
        orders = Service("orders", settings=settings)

        @orders.on(ServiceFailed)
        def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
            tokens.append(recovery.token)
            if len(tokens) == 1:
                begun.set()
                may_end.wait(timeout=60)
            return DatabaseRestored(subject=f"by token {recovery.token}")

        return orders

    async with running(service()), Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await until(begun.is_set)
    async with running(service()):
        record = await witness.closed(receipt.correlation_id)
        may_end.set()
    assert len(rows(record, "completed")) == 1
    [restored] = await witness.entries("database.restored")
    assert restored["subject"] == f"by token {tokens[1]}"


def _has(handled: list[str], enough: int) -> bool:
    return len(handled) >= enough

"""Handlers that take longer than the lease, or than they may."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from antiphon import Recovery, Retry, Service, Settings
from antiphon.duties.heartbeat import Heartbeat
from antiphon_events import ServiceFailed
from support import until
from witness import Witness, changed, rows, running


async def test_a_slow_handler_keeps_its_lease(settings: Settings, witness: Witness) -> None:
    """With a heartbeat a step may outlast the lease by far: it runs once, nobody takes it."""
    settings = changed(settings, lease="1s")
    first, second = Service("orders", settings=settings), Service("orders", settings=settings)
    begun: list[float] = []

    async def restore(failed: ServiceFailed) -> None:
        begun.append(time.monotonic())
        await until(lambda: time.monotonic() - begun[0] > 2.5)

    for service in (first, second):
        service.on(ServiceFailed)(restore)
    async with running(first, second):
        receipt = await first.publish(ServiceFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id)
    assert len(begun) == 1
    assert len(rows(record, "started")) == len(rows(record, "completed")) == 1


async def test_a_slow_thread_keeps_its_lease(settings: Settings, witness: Witness) -> None:
    """The heartbeat goes on beside a sync handler too."""
    settings = changed(settings, lease="1s")
    first, second = Service("orders", settings=settings), Service("orders", settings=settings)
    begun: list[float] = []
    enough = threading.Event()

    def restore(failed: ServiceFailed) -> None:
        begun.append(time.monotonic())
        enough.wait(timeout=2)

    for service in (first, second):
        service.on(ServiceFailed)(restore)
    async with running(first, second):
        receipt = await first.publish(ServiceFailed(subject="db"))
        await witness.closed(receipt.correlation_id)
    assert len(begun) == 1


async def test_without_a_heartbeat_it_would_be_taken(
    settings: Settings, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the heartbeat that keeps the lease: a silent worker loses it, and its commit."""

    async def silent(_: Heartbeat) -> None: ...

    monkeypatch.setattr(Heartbeat, "once", silent)
    settings = changed(settings, lease="300ms")
    first, second = Service("orders", settings=settings), Service("orders", settings=settings)
    taken = asyncio.Event()

    async def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        if recovery.attempt == 1:
            await taken.wait()

    for service in (first, second):
        service.on(ServiceFailed)(restore)
    async with running(first, second):
        receipt = await first.publish(ServiceFailed(subject="db"))
        await witness.closed(receipt.correlation_id)
        taken.set()
        await witness.told(receipt.correlation_id, "refused")
        record = await witness.closed(receipt.correlation_id)
    assert len(rows(record, "completed")) == 1


async def test_a_handler_out_of_time_is_retried(settings: Settings, witness: Witness) -> None:
    """A timeout cancels the attempt, says so, and the next one may succeed."""
    orders = Service("orders", settings=settings)
    cancelled: list[int] = []

    @orders.on(ServiceFailed, timeout="50ms", retry=Retry(attempts=2, first="10ms"))
    async def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        if recovery.attempt == 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(recovery.attempt)
                raise

    async with running(orders):
        receipt = await orders.publish(ServiceFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id)
    [retried] = rows(record, "retried")
    assert retried.text("error") == "TransientError: timed out after 50ms"
    assert cancelled == [1]


async def test_a_handlers_own_timeout_is_an_error_like_any_other(
    settings: Settings, witness: Witness
) -> None:
    """A TimeoutError of the handler's own making is not taken for the framework's."""
    orders = Service("orders", settings=settings)

    @orders.on(ServiceFailed, timeout="1m", retry=Retry(attempts=1))
    async def restore(failed: ServiceFailed) -> None:
        raise TimeoutError("the backup store did not answer")

    async with running(orders):
        receipt = await orders.publish(ServiceFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    [died] = rows(record, "died")
    assert died.text("error") == "TimeoutError: the backup store did not answer"

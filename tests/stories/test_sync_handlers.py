"""Handlers need not be async."""

from __future__ import annotations

import threading

from antiphon import Recovery, Service, Settings
from antiphon_events import DatabaseRestored, ServiceFailed
from witness import Witness, running


async def test_a_sync_handler_runs_in_a_thread(settings: Settings, witness: Witness) -> None:
    """Blocking code is written plainly; it runs beside the event loop, which stays free."""
    orders_db = Service("orders-db", settings=settings)
    loop_goes_on = threading.Event()

    @orders_db.on(ServiceFailed)
    def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        assert threading.current_thread() is not threading.main_thread()
        assert loop_goes_on.wait(timeout=30)
        recovery.publish(DatabaseRestored(subject="replica"))
        return DatabaseRestored(subject=failed.subject)

    async with running(orders_db):
        receipt = await orders_db.publish(ServiceFailed(subject="orders-db"))
        await witness.told(receipt.correlation_id, "started")
        loop_goes_on.set()
        await witness.closed(receipt.correlation_id)
    restored = await witness.entries("database.restored")
    assert [event["subject"] for event in restored] == ["orders-db", "replica"]


async def test_a_thread_knows_its_recovery(settings: Settings, witness: Witness) -> None:
    """Whatever a thread publishes by itself still belongs to the recovery it runs in."""
    orders_db = Service("orders-db", settings=settings)

    @orders_db.on(ServiceFailed)
    def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        from antiphon.recovery import current  # noqa: PLC0415  what loggers and publishers ask

        assert current.get() is recovery

    async with running(orders_db):
        receipt = await orders_db.publish(ServiceFailed(subject="orders-db"))
        await witness.closed(receipt.correlation_id)

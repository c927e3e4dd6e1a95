"""Any program that can reach Redis can call for a recovery."""

from __future__ import annotations

from antiphon import Recovery, Service, Settings
from antiphon_events import DatabaseRestored, ServiceFailed, derived_id
from witness import Witness, rows, running


async def test_a_bare_xadd_starts_a_recovery(settings: Settings, witness: Witness) -> None:
    """Type, subject and data are enough: ids are derived from the entry, the same for everyone."""
    orders_db = Service("orders-db", settings=settings)
    handled: list[ServiceFailed] = []

    @orders_db.on(ServiceFailed.about("orders-db"))
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        handled.append(failed)
        return DatabaseRestored(subject=failed.subject)

    async with running(orders_db):
        entry = await witness.xadd(
            "service.failed",
            {"type": "service.failed", "subject": "orders-db", "data": '{"reason":"killed"}'},
        )
        correlation_id = derived_id(witness.keys.events("service.failed"), entry)
        record = await witness.closed(correlation_id)

    [failed] = handled
    assert failed.reason == "killed"
    assert failed.envelope is not None
    assert (failed.envelope.id, failed.envelope.source) == (correlation_id, "redis")
    assert record.summary.root == correlation_id
    assert [row.text("entry") for row in rows(record, "adopted")] == [entry]
    [restored] = await witness.entries("database.restored")
    assert restored["correlationid"] == restored["causationid"] == correlation_id


async def test_every_handler_adopts_it_once(settings: Settings, witness: Witness) -> None:
    """However many handlers see it, the record takes an entry in once, and waits for them all."""
    db, cache = Service("db", settings=settings), Service("cache", settings=settings)

    @db.on(ServiceFailed)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> None: ...

    @cache.on(ServiceFailed)
    async def warm(failed: ServiceFailed, recovery: Recovery) -> None: ...

    async with running(db, cache):
        entry = await witness.xadd("service.failed", {"subject": "shop"})
        correlation_id = derived_id(witness.keys.events("service.failed"), entry)
        record = await witness.closed(correlation_id)
    assert len(rows(record, "adopted")) == 1
    assert (record.summary.events, record.summary.done) == (1, 2)


async def test_a_foreign_entry_may_join_a_recovery(settings: Settings, witness: Witness) -> None:
    """An entry that brings a correlation id belongs to that recovery, open or just closed."""
    orders_db = Service("orders-db", settings=settings)

    @orders_db.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> None: ...

    async with running(orders_db):
        receipt = await orders_db.publish(ServiceFailed(subject="orders-db"))
        await witness.closed(receipt.correlation_id)
        await witness.xadd(
            "service.failed", {"subject": "orders-db", "correlationid": receipt.correlation_id}
        )
        await witness.told(receipt.correlation_id, "reopened")
        record = await witness.closed(receipt.correlation_id)
    assert (record.summary.closes, record.summary.done) == (2, 2)

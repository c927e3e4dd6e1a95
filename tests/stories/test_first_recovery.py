"""The first story: a failure calls, a service answers, another goes on from there."""

from __future__ import annotations

from antiphon import Recovery, Service, Settings
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed
from witness import Witness, rows, running


async def test_a_chain_is_a_reaction_to_a_reaction(settings: Settings, witness: Witness) -> None:
    """Each step reacts to what the step before it completed, and the recovery ends by itself."""
    orders_db = Service("orders-db", settings=settings)
    orders_cache = Service("orders-cache", settings=settings)

    @orders_db.on(ServiceFailed.about("orders-db"))
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        assert failed.reason == "connection refused"
        assert recovery.attempt == 1
        return DatabaseRestored(subject=failed.subject, rows=3)

    @orders_cache.on(DatabaseRestored.about("orders-db"))
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        return CacheWarmed(subject="orders-cache", entries=restored.rows)

    async with running(orders_db, orders_cache):
        receipt = await orders_db.publish(
            ServiceFailed(subject="orders-db", reason="connection refused")
        )
        record = await witness.closed(receipt.correlation_id)

    assert record.summary.done == 2
    assert [row.text("group") for row in rows(record, "completed")] == [
        "orders-db.restore",
        "orders-cache.warm",
    ]
    [warmed] = await witness.entries("cache.warmed")
    assert (warmed["subject"], warmed["data"]) == ("orders-cache", '{"entries":3}')


async def test_one_id_runs_through_it_all(settings: Settings, witness: Witness) -> None:
    """Every event of a recovery has its correlation id, and names the event that caused it."""
    orders_db = Service("orders-db", settings=settings)

    @orders_db.on(ServiceFailed)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        assert failed.envelope is not None
        assert recovery.correlation_id == failed.envelope.correlation_id
        return DatabaseRestored(subject=recovery.subject)

    async with running(orders_db):
        receipt = await orders_db.publish(ServiceFailed(subject="orders-db"))
        await witness.closed(receipt.correlation_id)

    [restored] = await witness.entries("database.restored")
    assert restored["correlationid"] == receipt.correlation_id
    assert restored["causationid"] == receipt.event_id
    assert (restored["source"], restored["hops"]) == ("orders-db", "1")
    [completed] = await witness.entries("recovery.completed")
    assert completed["correlationid"] == receipt.correlation_id
    assert completed["subject"] == "orders-db"

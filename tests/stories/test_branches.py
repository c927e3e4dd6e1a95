"""Branches: what a handler returns decides who goes on."""

from __future__ import annotations

import pytest

from antiphon import Service, Settings
from antiphon_events import CacheLost, CacheWarmed, DatabaseFailed, DatabaseRestored, ServiceFailed
from witness import Witness, rows, running


@pytest.mark.parametrize(
    ("reason", "answered", "passed_by"),
    [("disk", "ops.rebuild", "ops.warm"), ("", "ops.warm", "ops.rebuild")],
)
async def test_the_type_returned_chooses_the_branch(
    settings: Settings, witness: Witness, reason: str, answered: str, passed_by: str
) -> None:
    """A handler branches by returning one event type or another; the other way is not taken."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed)
    async def examine(failed: ServiceFailed) -> DatabaseFailed | CacheLost:
        if failed.reason == "disk":
            return DatabaseFailed(subject="orders-db")
        return CacheLost(subject="orders-cache")

    @ops.on(DatabaseFailed)
    async def rebuild(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject=failed.subject)

    @ops.on(CacheLost)
    async def warm(lost: CacheLost) -> CacheWarmed:
        return CacheWarmed(subject=lost.subject)

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="shop", reason=reason))
        record = await witness.closed(receipt.correlation_id)

    assert len(rows(record, "completed", group=answered)) == 1
    assert rows(record, "started", group=passed_by) == []


async def test_a_failure_nobody_answers_is_named(settings: Settings, witness: Witness) -> None:
    """A branch that ends in a failure without a handler makes the recovery partial."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed)
    async def examine(failed: ServiceFailed) -> DatabaseFailed:
        return DatabaseFailed(subject="orders-db")

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="shop"))
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert record.summary.reasons == ("database.failed about orders-db: no handler answered",)

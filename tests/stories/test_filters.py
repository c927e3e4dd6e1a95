"""Handlers choose by subject and by content."""

from __future__ import annotations

from antiphon import Service, Settings
from antiphon_events import ServiceDegraded, ServiceFailed
from witness import Witness, rows, running


async def test_a_handler_is_about_its_subjects(settings: Settings, witness: Witness) -> None:
    """Events about other subjects are not its concern, and hold no recovery open."""
    ops = Service("ops", settings=settings)
    seen: list[str] = []

    @ops.on(ServiceFailed.about("orders-db", "orders-api"))
    async def restart(failed: ServiceFailed) -> None:
        seen.append(failed.subject)

    @ops.on(ServiceFailed)
    async def note_down(failed: ServiceFailed) -> None: ...

    async with running(ops):
        for subject in ("billing", "orders-db", "orders-api"):
            receipt = await ops.publish(ServiceFailed(subject=subject))
            record = await witness.closed(receipt.correlation_id)
            reacted = rows(record, "started", group="ops.restart")
            assert bool(reacted) == (subject != "billing")
    assert seen == ["orders-db", "orders-api"]


async def test_a_predicate_looks_inside(settings: Settings, witness: Witness) -> None:
    """What a predicate declines is passed over, and the record says that it was."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed.where(lambda failed: failed.reason == "out of memory"))
    async def grow(failed: ServiceFailed) -> None:
        assert failed.reason == "out of memory"

    async with running(ops):
        declined = await ops.publish(ServiceFailed(subject="api", reason="disk full"))
        record = await witness.closed(declined.correlation_id, verdict="failed")
        assert (len(rows(record, "skipped")), record.summary.done) == (1, 0)
        wanted = await ops.publish(ServiceFailed(subject="api", reason="out of memory"))
        record = await witness.closed(wanted.correlation_id)
        assert (len(rows(record, "skipped")), record.summary.done) == (0, 1)


async def test_one_handler_may_react_to_several_types(settings: Settings, witness: Witness) -> None:
    """Types and selectors are listed side by side; each event comes as what it is."""
    ops = Service("ops", settings=settings)
    seen: list[type] = []

    @ops.on(ServiceFailed.about("api"), ServiceDegraded)
    async def look(event: ServiceFailed | ServiceDegraded) -> None:
        seen.append(type(event))

    async with running(ops):
        for event in (ServiceFailed(subject="api"), ServiceDegraded(subject="api")):
            receipt = await ops.publish(event)
            await witness.closed(receipt.correlation_id)
    assert seen == [ServiceFailed, ServiceDegraded]

"""What a handler tells: events with the outcome, and how far it has come."""

from __future__ import annotations

import asyncio

from antiphon import Recovery, Service, Settings
from antiphon_events import CacheWarmed, Event, ServiceFailed, ServiceRecovered, ServiceRestarted
from witness import Witness, rows, running


async def test_several_events_come_from_one_step(settings: Settings, witness: Witness) -> None:
    """A list of events is published whole, in order, each caused by the event handled."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> list[ServiceRestarted]:
        return [ServiceRestarted(subject="api-1"), ServiceRestarted(subject="api-2")]

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        record = await witness.closed(receipt.correlation_id)
    restarted = await witness.entries("service.restarted")
    assert [event["subject"] for event in restarted] == ["api-1", "api-2"]
    assert {event["causationid"] for event in restarted} == {receipt.event_id}
    assert record.summary.events == 3


async def test_publish_adds_to_the_outcome(settings: Settings, witness: Witness) -> None:
    """What `recovery.publish` was given appears with the outcome, and not before."""
    ops = Service("ops", settings=settings)
    published, seen = asyncio.Event(), asyncio.Event()

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> tuple[Event, ...]:
        recovery.publish(CacheWarmed(subject="cache"))
        published.set()
        await seen.wait()
        return (ServiceRestarted(subject="api"), ServiceRecovered(subject="api"))

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        await published.wait()
        assert await witness.entries("cache.warmed") == []
        seen.set()
        record = await witness.closed(receipt.correlation_id)
    types = [row.text("type") for row in rows(record, "published", by="ops.restart")]
    assert types == ["service.restarted", "service.recovered", "cache.warmed"]


async def test_what_a_failed_attempt_published_never_was(
    settings: Settings, witness: Witness
) -> None:
    """Events are part of the outcome: an attempt that fails publishes nothing."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        recovery.publish(ServiceRestarted(subject=f"api-{recovery.attempt}"))
        if recovery.attempt == 1:
            raise OSError("away")

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        await witness.closed(receipt.correlation_id)
    assert [event["subject"] for event in await witness.entries("service.restarted")] == ["api-2"]


async def test_progress_is_visible_while_it_runs(settings: Settings, witness: Witness) -> None:
    """A long step says how far it is, and the record knows before the step is done."""
    ops = Service("ops", settings=settings)
    seen = asyncio.Event()

    @ops.on(ServiceFailed)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        await recovery.progress(0.25, "copying")
        await seen.wait()

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        progress = await witness.told(receipt.correlation_id, "progress")
        assert (progress.number("fraction"), progress.text("message")) == (0.25, "copying")
        assert await witness.open_recoveries() == [receipt.correlation_id]
        seen.set()
        await witness.closed(receipt.correlation_id)

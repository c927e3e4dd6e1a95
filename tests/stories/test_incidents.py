"""A further failure of an open incident is no news: it is counted, and nothing is done twice."""

from __future__ import annotations

import asyncio

from antiphon import Publisher, Service, Settings
from antiphon_events import ServiceFailed, ServiceRecovered, ServiceRestarted
from support import until
from witness import Witness, rows, running


async def test_a_monitor_may_repeat_itself_through_every_step(
    settings: Settings, witness: Witness
) -> None:
    """However long the later steps take, and whatever holds them, the first is not begun again."""
    shop, restarts, going = Service("shop", settings=settings), list[str](), asyncio.Event()

    @shop.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        restarts.append(failed.subject)
        return ServiceRestarted(subject=failed.subject)

    @shop.on(ServiceRestarted)
    async def warm(restarted: ServiceRestarted) -> ServiceRecovered:
        await going.wait()
        return ServiceRecovered(subject=restarted.subject)

    async with running(shop), Publisher(settings) as publisher:
        first = await publisher.publish(ServiceFailed(subject="api"))
        await witness.told(first.correlation_id, "started", group="shop.warm")
        for _ in range(5):
            again = await publisher.publish(ServiceFailed(subject="api"))
            assert (again.correlation_id, again.coalesced) == (first.correlation_id, True)
        going.set()
        record = await witness.closed(first.correlation_id)
    assert restarts == ["api"]
    assert record.summary.coalesced == 5


async def test_what_was_written_during_the_repair_is_no_relapse(
    settings: Settings, witness: Witness
) -> None:
    """A backlog of alerts that is read only after the repair belongs to it, and starts nothing."""
    shop, restarts, going = Service("shop", settings=settings), list[str](), asyncio.Event()

    @shop.on(ServiceFailed, concurrency=1)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        restarts.append(failed.subject)
        await going.wait()
        return ServiceRestarted(subject=failed.subject)

    async with running(shop), Publisher(settings) as publisher:
        first = await publisher.publish(ServiceFailed(subject="api"))
        await until(lambda: restarts)
        for _ in range(8):
            await witness.xadd("service.failed", {"subject": "api"})
        await asyncio.sleep(
            0.005
        )  # what is written in the very millisecond of the end is no backlog
        going.set()

        async def counted() -> bool:
            record = await witness.record(first.correlation_id)
            return record is not None and record.summary.coalesced == 8

        await until(counted)
        record = await witness.closed(first.correlation_id)
        assert await witness.pending("shop.restart", "service.failed") == 0
    assert restarts == ["api"]
    assert len(rows(record, "coalesced")) == 8
    assert await witness.open_recoveries() == []

"""A further failure of an open incident: counted while somebody acts on it, news afterwards."""

from __future__ import annotations

import asyncio

from antiphon import Publisher, Service, Settings
from antiphon_events import ServiceFailed, ServiceRecovered, ServiceRestarted
from support import until
from witness import Witness, rows, running


class Shop:
    """A service whose repair is quick, and followed by a step that takes until it is let go."""

    def __init__(self, settings: Settings) -> None:
        self.service = Service("shop", settings=settings)
        self.restarts = 0
        self.warm = asyncio.Event()

        @self.service.on(ServiceFailed)
        async def restart(failed: ServiceFailed) -> ServiceRestarted:
            self.restarts += 1
            return ServiceRestarted(subject=failed.subject)

        @self.service.on(ServiceRestarted)
        async def warm(restarted: ServiceRestarted) -> ServiceRecovered:
            await self.warm.wait()
            return ServiceRecovered(subject=restarted.subject)


async def test_a_failure_after_its_repair_is_acted_on_within_the_recovery(
    settings: Settings, witness: Witness
) -> None:
    """A repair that did not hold is done again, though the recovery goes on with later steps."""
    shop = Shop(settings)
    async with running(shop.service), Publisher(settings) as publisher:
        first = await publisher.publish(ServiceFailed(subject="api"))
        await witness.told(first.correlation_id, "started", group="shop.warm")
        envelope = publisher.prepare(ServiceFailed(subject="api"))
        second = await publisher.publish(ServiceFailed(subject="api"), envelope=envelope)
        repeated = await publisher.publish(ServiceFailed(subject="api"), envelope=envelope)
        await until(lambda: shop.restarts == 2)
        shop.warm.set()
        record = await witness.closed(first.correlation_id)
    assert second.correlation_id == repeated.correlation_id == first.correlation_id
    assert (second.coalesced, second.repeated, repeated.repeated) == (False, False, True)
    assert repeated.entry_id == second.entry_id
    assert len(rows(record, "completed", group="shop.warm")) == 2


async def test_a_foreign_failure_after_its_repair_is_acted_on_too(
    settings: Settings, witness: Witness
) -> None:
    """A bare XADD that comes late becomes part of the open recovery, once for every handler."""
    shop, noted = Shop(settings), list[str]()

    @shop.service.on(ServiceFailed)
    async def note(failed: ServiceFailed) -> None:
        noted.append(failed.subject)

    async with running(shop.service), Publisher(settings) as publisher:
        first = await publisher.publish(ServiceFailed(subject="api"))
        await witness.told(first.correlation_id, "started", group="shop.warm")
        await witness.told(first.correlation_id, "completed", group="shop.note")
        await witness.xadd("service.failed", {"subject": "api"})
        await until(lambda: shop.restarts == len(noted) == 2)
        shop.warm.set()
        record = await witness.closed(first.correlation_id)
    assert len(rows(record, "adopted")) == 1
    assert len(rows(record, "completed", group="shop.note")) == 2
    assert await witness.open_recoveries() == []


async def test_repairs_that_never_hold_are_halted(settings: Settings, witness: Witness) -> None:
    """Within one recovery the visits of a handler are limited, however the failures come."""
    shop = Shop(settings)
    async with running(shop.service), Publisher(settings) as publisher:
        first = await publisher.publish(ServiceFailed(subject="api"))
        for number in range(1, 5):
            restarts = min(number, 3)
            await until(lambda restarts=restarts: shop.restarts == restarts)  # type: ignore[misc]
            await witness.told(first.correlation_id, "started", group="shop.warm")

            async def nobody_acts() -> bool:
                record = await witness.record(first.correlation_id)
                return record is not None and not any(
                    "shop.restart" in member for member in record.outstanding
                )

            await until(nobody_acts)
            await publisher.publish(ServiceFailed(subject="api"))
        await witness.told(first.correlation_id, "halted", guard="visits")
        shop.warm.set()
        await witness.closed(first.correlation_id, verdict="halted")
    assert shop.restarts == 3

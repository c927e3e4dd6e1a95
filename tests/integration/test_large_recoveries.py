"""Large recoveries: all of it is done, once, and the last event costs what the first did."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from antiphon import Joined, Service, Settings, all_of
from antiphon.records import Record
from antiphon_events import CacheWarmed, Event, ServiceFailed, ServiceRecovered
from support import until
from witness import Witness, changed, rows, running

EVENTS, BRANCHES, LANES = 10_000, 1_000, 10
LIMITS = {"max_hops": 100_000, "max_events": 100_000, "max_visits": 100_000, "storm": "off"}
PATIENCE_SECONDS = 120.0
TOLERANCE = 1.15
"""Duties look around meanwhile, and a slow machine gives them more time to."""


class StepTaken(Event):
    """One of very many steps was taken."""

    type = "step.taken"

    left: int = 0
    """How many follow in its lane."""


@dataclass(frozen=True)
class Mark:
    """How far a recovery is, and how many commands the server has run."""

    done: int
    commands: int


async def _mark(witness: Witness, at: int, field: str) -> Mark:
    """Look when so many events of the recovery have been taken up."""
    [correlation_id] = await until(witness.open_recoveries, 30)
    key = witness.keys.recovery(correlation_id)

    async def there() -> int:
        count = await (witness.client.hget(key, field) if field else _arrived(witness))
        return int(count or 0) if int(count or 0) >= at else 0

    done = await until(there, PATIENCE_SECONDS)
    stats: dict[str, Any] = await witness.client.info("stats")
    return Mark(done, stats["total_commands_processed"])


async def _arrived(witness: Witness) -> int:
    [correlation_id] = await witness.open_recoveries()
    count: int = await witness.client.hlen(witness.keys.join("shop.gather", correlation_id))
    return count


async def _over(witness: Witness, correlation_id: str) -> Record:
    """Wait without reading the long ledger again and again."""
    key = witness.keys.recovery(correlation_id)

    async def closed() -> bool:
        return bool(await witness.client.hget(key, "status") == b"closed")

    await until(closed, PATIENCE_SECONDS)
    return await witness.closed(correlation_id)


def _per_event(begin: Mark, end: Mark) -> float:
    return (end.commands - begin.commands) / (end.done - begin.done)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return changed(settings, **LIMITS)


async def test_ten_thousand_events(settings: Settings, witness: Witness) -> None:
    """Each is handled once, and the last thousand take as many commands each as the first."""
    shop = Service("shop", settings=settings)

    @shop.on(ServiceFailed)
    async def begin(failed: ServiceFailed) -> list[StepTaken]:
        left = EVENTS // LANES - 1
        return [StepTaken(subject=f"{failed.subject}-{lane}", left=left) for lane in range(LANES)]

    @shop.on(StepTaken)
    async def go_on(taken: StepTaken) -> StepTaken | None:
        return StepTaken(subject=taken.subject, left=taken.left - 1) if taken.left else None

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="lane"))
        marks = [await _mark(witness, at, "done") for at in (100, 1_100, 8_900, 9_900)]
        record = await _over(witness, receipt.correlation_id)

    assert record.summary.done == EVENTS + 1
    handled = Counter(row.text("event") for row in rows(record, "completed"))
    assert len(handled) == handled.total() == EVENTS + 1
    assert len(rows(record, "published")) == EVENTS + 1
    assert len(await witness.entries("recovery.completed")) == 1
    assert _per_event(*marks[2:]) < TOLERANCE * _per_event(*marks[:2])


async def test_a_join_of_a_thousand_branches(settings: Settings, witness: Witness) -> None:
    """It fires once, with all of them; the last branches take as many commands as the first."""
    shop, joins = Service("shop", settings=settings), list[Joined]()
    names, may = [f"c{i}" for i in range(BRANCHES)], asyncio.Event()

    @shop.on(ServiceFailed)
    async def begin(failed: ServiceFailed) -> list[CacheWarmed]:
        await may.wait()
        return [CacheWarmed(subject=name) for name in names]

    @shop.on(all_of(*(CacheWarmed.about(f"c{i}") for i in range(BRANCHES))), within="10m")
    async def gather(joined: Joined) -> ServiceRecovered:
        joins.append(joined)
        return ServiceRecovered(subject="shop")

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="shop"))
        looking = asyncio.create_task(_marks(witness, (50, 300, 700, 950)))
        may.set()
        marks = await looking
        record = await _over(witness, receipt.correlation_id)

    [joined] = joins
    assert [event.subject for event in joined] == names
    assert len(rows(record, "joined")) == BRANCHES - 1
    assert len(rows(record, "completed", group="shop.gather")) == 1
    assert rows(record, "timed_out") == []
    assert not await witness.client.exists(witness.keys.timers)
    assert _per_event(*marks[2:]) < TOLERANCE * _per_event(*marks[:2])


async def _marks(witness: Witness, places: tuple[int, ...]) -> list[Mark]:
    return [await _mark(witness, at, "") for at in places]

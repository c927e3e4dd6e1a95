"""A worker is killed with SIGKILL: nothing is lost, and nothing is committed twice."""

from __future__ import annotations

import signal

import pytest

import restoring
from antiphon import Publisher, Settings
from antiphon_events import ServiceFailed
from child import StartChild
from support import until
from witness import Witness, changed, rows, running
from world import World


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return changed(settings, lease="500ms")


@pytest.mark.parametrize(
    ("trouble", "effects", "starts"),
    [
        ("die before effect", 1, 2),
        ("die after effect", 2, 2),
        ("die before commit", 2, 2),
        ("die after commit", 1, 1),
    ],
)
async def test_another_worker_goes_on_from_there(
    settings: Settings,
    witness: Witness,
    world: World,
    doomed_worker: StartChild,
    *,
    trouble: str,
    effects: int,
    starts: int,
) -> None:
    """Wherever a worker dies, another finishes the step; its outcome is committed exactly once."""
    async with doomed_worker(settings, trouble) as worker, Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await worker.end(expected=-signal.SIGKILL)
    async with running(restoring.service(world, settings)):
        record = await witness.closed(receipt.correlation_id)

    assert world.done("restore db") == effects
    assert len(await witness.entries("database.restored")) == 1
    started = rows(record, "started", group="orders.restore")
    assert len(started) == starts
    [completed] = rows(record, "completed", group="orders.restore")
    assert completed.whole("attempt") == starts
    if starts > 1:
        first, second = started
        assert second.text("from") == first.text("consumer") != second.text("consumer")
        assert (second.whole("token") or 0) > (first.whole("token") or 0)
    assert len(rows(record, "completed", group="orders.warm")) == 1
    assert await witness.dead_letters() == []


async def test_a_crowd_of_deliveries_survives(
    settings: Settings, witness: Witness, world: World, doomed_worker: StartChild
) -> None:
    """A worker killed in the midst of a hundred recoveries leaves none unfinished."""
    settings = changed(settings, storm="1000/1m")  # so many subjects are what the brake is for
    subjects = [f"db-{number}" for number in range(100)]
    async with doomed_worker(settings, "none") as worker, Publisher(settings) as publisher:
        receipts = [await publisher.publish(ServiceFailed(subject=s)) for s in subjects[:50]]
        await until(lambda: world.done("restore db-10"))
        receipts += [await publisher.publish(ServiceFailed(subject=s)) for s in subjects[50:]]
        worker.signal(signal.SIGKILL)
        await worker.end(expected=-signal.SIGKILL)
    async with running(restoring.service(world, settings)):
        for receipt in receipts:
            record = await witness.closed(receipt.correlation_id)
            for group in ("orders.restore", "orders.warm"):
                assert len(rows(record, "completed", group=group)) == 1
    for event_type in ("database.restored", "cache.warmed"):
        published = await witness.entries(event_type)
        assert sorted(event["subject"] for event in published) == sorted(subjects)
    assert await witness.open_recoveries() == []

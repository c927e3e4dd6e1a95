"""A worker is suspended for longer than its lease: whoever took over decides."""

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


async def test_a_late_commit_is_refused(
    settings: Settings, witness: Witness, world: World, doomed_worker: StartChild
) -> None:
    """A worker that wakes after another has finished its step cannot commit it again."""
    async with doomed_worker(settings, "hang") as worker, Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await until(lambda: world.flag("hanging"))
        worker.signal(signal.SIGSTOP)
        async with running(restoring.service(world, settings)):
            await witness.closed(receipt.correlation_id)
            world.raise_flag("go")
            worker.signal(signal.SIGCONT)
            refused = await witness.told(receipt.correlation_id, "refused")
        record = await witness.closed(receipt.correlation_id)
        [started] = worker.said("delivery.started")
        await until(lambda: worker.said("delivery.refused"))

    assert refused.text("consumer") == started["consumer"]
    assert world.done("restore db") == 2  # attempts are at least once
    assert len(rows(record, "completed", group="orders.restore")) == 1
    assert len(await witness.entries("database.restored")) == 1
    assert record.summary.closes == 1


async def test_a_handler_that_lost_its_lease_is_stopped(
    settings: Settings, witness: Witness, world: World, doomed_worker: StartChild
) -> None:
    """The heartbeat notices that the lease is gone and cancels the handler before its effect."""
    async with doomed_worker(settings, "linger") as worker, Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await until(lambda: world.flag("lingering"))
        worker.signal(signal.SIGSTOP)
        async with running(restoring.service(world, settings)):
            await witness.closed(receipt.correlation_id)
            worker.signal(signal.SIGCONT)
            await until(lambda: world.done("cancelled"))
            await until(lambda: worker.said("delivery.refused"))

    assert len(worker.said("lease.lost")) == 1
    assert world.done("restore db") == 1
    assert len(await witness.entries("database.restored")) == 1

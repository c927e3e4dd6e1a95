"""A worker is asked to stop while it works."""

from __future__ import annotations

import signal

import restoring
from antiphon import Publisher, Settings
from antiphon_events import ServiceFailed
from child import StartChild
from support import until
from witness import Witness, changed, rows, running
from world import World


async def test_a_stopping_worker_finishes_its_work(
    settings: Settings, witness: Witness, world: World, doomed_worker: StartChild
) -> None:
    """Within the drain limit a handler that has begun is let finish, and its outcome counts."""
    async with doomed_worker(settings, "linger") as worker, Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await until(lambda: world.flag("lingering"))
        worker.signal(signal.SIGTERM)
        await until(lambda: _nobody_reads(witness))
        later = await publisher.publish(ServiceFailed(subject="later"))
        world.raise_flag("go")
        await worker.end(expected=0)

    record = await witness.record(receipt.correlation_id)
    assert record is not None
    assert len(rows(record, "completed", group="orders.restore")) == 1
    assert world.done("restore db") == 1
    assert world.done("restore later") == 0  # a stopping worker begins nothing new
    assert world.done("cancelled") == 0
    async with running(restoring.service(world, settings)):
        for correlation_id in (receipt.correlation_id, later.correlation_id):
            await witness.closed(correlation_id)


async def test_beyond_the_limit_work_is_handed_back(
    settings: Settings, witness: Witness, world: World, doomed_worker: StartChild
) -> None:
    """What does not finish in time is another worker's at once, and no attempt is spent on it."""
    settings = changed(settings, drain="100ms", lease="10m")  # nobody waits for this lease to end
    async with doomed_worker(settings, "linger") as worker, Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
        await until(lambda: world.flag("lingering"))
        async with running(restoring.service(world, settings)):
            worker.signal(signal.SIGTERM)
            await worker.end(expected=0)
            record = await witness.closed(receipt.correlation_id)

    assert world.done("cancelled") == world.done("restore db") == 1
    [released] = rows(record, "released")
    first, second = rows(record, "started", group="orders.restore")
    assert (first.text("consumer"), second.text("from")) == (released.text("consumer"), "")
    assert rows(record, "retried") == rows(record, "died") == []


async def test_a_thread_does_not_keep_the_process(
    settings: Settings, witness: Witness, world: World, doomed_worker: StartChild
) -> None:
    """A thread cannot be cancelled; beyond the limit the process ends all the same, and with it."""
    settings = changed(settings, drain="100ms", lease="10m")
    async with doomed_worker(settings, "hang in a thread") as worker:
        async with Publisher(settings) as publisher:
            receipt = await publisher.publish(ServiceFailed(subject="db"))
        await until(lambda: world.flag("hanging"))
        worker.signal(signal.SIGTERM)
        await worker.end(expected=0)
    async with running(restoring.service_in_threads(world, settings)):
        record = await witness.closed(receipt.correlation_id)
    assert world.done("restore db") == 1
    assert [row.kind for row in record.ledger if row.text("group")] == [
        "started",
        "released",
        "started",
        "completed",
    ]


async def _nobody_reads(witness: Witness) -> bool:
    return all(client["cmd"] != "xreadgroup" for client in await witness.client.client_list())

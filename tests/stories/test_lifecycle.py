"""The end of a recovery is an event too, and anyone may react to it."""

from __future__ import annotations

import asyncio

from antiphon import PermanentError, Recovery, Service, Settings
from antiphon_events import RecoveryCompleted, RecoveryFailed, ServiceFailed, ServiceRecovered
from support import until
from witness import Witness, changed, rows, running


async def test_a_handler_hears_of_success(settings: Settings, witness: Witness) -> None:
    """`recovery.completed` says what was done, under the recovery's own id and subject."""
    ops, chat = Service("ops", settings=settings), Service("chat", settings=settings)
    told: asyncio.Queue[tuple[RecoveryCompleted, Recovery]] = asyncio.Queue()

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    @chat.on(RecoveryCompleted)
    async def congratulate(completed: RecoveryCompleted, recovery: Recovery) -> None:
        told.put_nowait((completed, recovery))

    async with running(ops, chat):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        completed, recovery = await told.get()
        record = await witness.closed(receipt.correlation_id)
    assert recovery.correlation_id == receipt.correlation_id
    assert completed.subject == "api"
    assert (completed.done, completed.dead, completed.reasons) == (1, 0, [])
    assert record.summary.opened is not None
    assert completed.opened_ms == record.summary.opened.timestamp() * 1000
    assert record.summary.closes == 1


async def test_a_handler_hears_of_failure(settings: Settings, witness: Witness) -> None:
    """`recovery.failed` names who died, so that a person can be called."""
    ops, pager = Service("ops", settings=settings), Service("pager", settings=settings)
    told: asyncio.Queue[RecoveryFailed] = asyncio.Queue()

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        raise PermanentError("no such unit")

    @pager.on(RecoveryFailed.about("api"))
    async def page(failed: RecoveryFailed) -> None:
        told.put_nowait(failed)

    async with running(ops, pager):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        failed = await told.get()
        await witness.closed(receipt.correlation_id, verdict="failed")
        await witness.told(receipt.correlation_id, "completed", group="pager.page")
    assert failed.reasons == ["ops.restart: died after 1 attempts"]
    assert (failed.done, failed.dead) == (0, 1)


async def test_a_recovery_cannot_feed_on_its_own_end(settings: Settings, witness: Witness) -> None:
    """A handler whose answer to the closing reopens the recovery goes round sixteen times."""
    ops = Service("ops", settings=changed(settings, max_hops=100))

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    @ops.on(RecoveryCompleted)
    async def celebrate(completed: RecoveryCompleted) -> ServiceRecovered:
        return ServiceRecovered(subject=completed.subject)

    @ops.on(ServiceRecovered, max_visits=100)
    async def note(recovered: ServiceRecovered) -> None: ...

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="api"))

        async def worn_out() -> bool:
            record = await witness.closed(receipt.correlation_id)
            return record.summary.closes == 17

        await until(worn_out)
        record = await witness.closed(receipt.correlation_id)
    assert len(await witness.entries("recovery.completed")) == 16
    assert rows(record, "closed")[-1].text("error").startswith("hop limit")

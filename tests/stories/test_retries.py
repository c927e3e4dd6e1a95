"""Retries and dead letters: an error's class says what happens next."""

from __future__ import annotations

from datetime import timedelta

from antiphon import PermanentError, Recovery, Retry, Service, Settings, TransientError
from antiphon_events import DatabaseRestored, ServiceFailed
from witness import Witness, rows, running

SOON = Retry(attempts=3, first="10ms", longest="50ms")


async def test_what_fails_is_tried_again(settings: Settings, witness: Witness) -> None:
    """An unknown error counts as transient: the step is tried again, and may succeed."""
    orders_db = Service("orders-db", settings=settings)

    @orders_db.on(ServiceFailed, retry=SOON)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        if recovery.attempt == 1:
            raise OSError("the backup store is away")
        return DatabaseRestored(subject=failed.subject)

    async with running(orders_db):
        receipt = await orders_db.publish(ServiceFailed(subject="orders-db"))
        record = await witness.closed(receipt.correlation_id)

    [retried] = rows(record, "retried")
    assert retried.text("error") == "OSError: the backup store is away"
    [completed] = rows(record, "completed")
    assert (retried.whole("attempt"), completed.whole("attempt")) == (1, 2)
    assert len(await witness.entries("database.restored")) == 1


async def test_the_handler_may_say_when(settings: Settings, witness: Witness) -> None:
    """`retry_after` overrides the delay the policy would have drawn."""
    orders_db = Service("orders-db", settings=settings)

    @orders_db.on(ServiceFailed, retry=Retry(first="1h", longest="1h"))
    async def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        if recovery.attempt == 1:
            raise TransientError("busy", retry_after=timedelta(milliseconds=20))

    async with running(orders_db):
        receipt = await orders_db.publish(ServiceFailed(subject="orders-db"))
        record = await witness.closed(receipt.correlation_id)
    [retried], [_, second] = rows(record, "retried"), rows(record, "started")
    due = retried.instant("due")
    assert due is not None
    assert due - retried.at <= timedelta(milliseconds=20)
    assert second.at >= due


async def test_a_permanent_error_is_not_retried(settings: Settings, witness: Witness) -> None:
    """A permanent error makes a dead letter at once: the original entry, the error, attempts."""
    orders_db = Service("orders-db", settings=settings)

    @orders_db.on(ServiceFailed, retry=SOON)
    async def restore(failed: ServiceFailed) -> None:
        raise PermanentError("there is no backup")

    async with running(orders_db):
        receipt = await orders_db.publish(ServiceFailed(subject="orders-db", reason="killed"))
        record = await witness.closed(receipt.correlation_id, verdict="failed")

    [dead] = await witness.dead_letters()
    assert dead["deaderror"] == "PermanentError: there is no backup"
    assert (dead["deadgroup"], dead["deadattempts"]) == ("orders-db.restore", "1")
    assert (dead["deadcorrelation"], dead["id"]) == (receipt.correlation_id, receipt.event_id)
    assert dead["data"] == '{"reason":"killed"}'
    assert rows(record, "died")[0].text("dead") == dead["entry"]
    assert await witness.pending("orders-db.restore", "service.failed") == 0


async def test_attempts_run_out(settings: Settings, witness: Witness) -> None:
    """After the last attempt the delivery dies, and what went well meanwhile still counts."""
    orders_db = Service("orders-db", settings=settings)
    attempts: list[int] = []

    @orders_db.on(ServiceFailed, retry=SOON)
    async def restore(failed: ServiceFailed, recovery: Recovery) -> None:
        attempts.append(recovery.attempt)
        raise TransientError("still away")

    @orders_db.on(ServiceFailed)
    async def page(failed: ServiceFailed) -> None: ...

    async with running(orders_db):
        receipt = await orders_db.publish(ServiceFailed(subject="orders-db"))
        record = await witness.closed(receipt.correlation_id, verdict="partial")

    assert attempts == [1, 2, 3]
    assert record.summary.reasons == ("orders-db.restore: died after 3 attempts",)
    assert (record.summary.done, record.summary.dead) == (1, 1)

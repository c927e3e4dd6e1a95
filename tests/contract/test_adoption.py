"""Foreign entries: a bare XADD is taken into the record at first sight, once, whoever sees it."""

from __future__ import annotations

import itertools

import pytest

from antiphon.broker.replies import Closed, Run
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed
from scripted import BOB, ScriptedCell, handler

FAILED = ServiceFailed(subject="orders-db")
RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")
PAGE = handler(ServiceFailed, name="pager.page")
OTHER = handler(ServiceFailed.about("billing-db"), name="billing.restore")
WARM = handler(DatabaseRestored, name="cache.warm")


async def test_a_bare_entry_opens_a_recovery_when_it_is_first_seen(work: ScriptedCell) -> None:
    """It has the record a published event would have, from the instant it was written."""
    await work.deploy(RESTORE, PAGE)
    sent = await work.xadd(FAILED)
    assert isinstance(await work.admit(await work.read_one(RESTORE)), Run)
    assert await work.outstanding(sent) == sent.owed(RESTORE, PAGE)
    summary = await work.summary(sent)
    assert (summary["status"], summary["type"], summary["subject"]) == (
        "open",
        "service.failed",
        "orders-db",
    )
    assert summary["root"] == sent.envelope.id == sent.correlation_id
    assert summary["opened"] == sent.entry_id.partition("-")[0]
    opened, adopted, _ = await work.ledger(sent)
    assert opened["event"] == sent.envelope.id
    assert (adopted["kind"], adopted["entry"], adopted["by"]) == ("adopted", sent.entry_id, "")
    assert set(adopted["to"].split(",")) == {RESTORE.group, PAGE.group}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("cid", ["", "somebody-elses-id"])
async def test_an_entry_is_adopted_once(
    work: ScriptedCell, order: tuple[int, ...], cid: str
) -> None:
    """However many groups see it, in whatever order, some to run it and some to pass it over."""
    await work.deploy(RESTORE, PAGE, OTHER)
    sent = await work.xadd(FAILED, **({"correlationid": cid} if cid else {}))
    leases = []
    for seen_by in order:
        h = (RESTORE, PAGE, OTHER)[seen_by]
        delivery = await work.read_one(h)
        if h is OTHER:
            assert await work.skip(delivery) == [1, b"", 0]
        else:
            leases.append(await work.lease(delivery))
    assert len(await work.ledger(sent, "adopted")) == 1
    assert (await work.summary(sent))["events"] == "1"
    assert await work.outstanding(sent) == sent.owed(RESTORE, PAGE)
    for lease in leases:
        assert (await work.summary(sent))["status"] == "open"
        await work.commit(lease)
    assert (await work.summary(sent))["verdict"] == "completed"
    assert len(await work.closings(sent)) == 1


async def test_who_comes_after_the_end_does_not_begin_again(work: ScriptedCell) -> None:
    """A group that reads an adopted entry of a closed recovery acknowledges it, and that is all."""
    await work.deploy(RESTORE, OTHER)
    sent = await work.xadd(FAILED)
    await work.commit(await work.take(RESTORE))
    rows = await work.ledger(sent)
    await work.deploy(PAGE, lost=True)
    assert await work.admit(await work.read_one(PAGE)) == Closed()
    assert await work.skip(await work.read_one(OTHER)) == [1, b"", 0]
    assert await work.ledger(sent) == rows
    assert (await work.summary(sent))["closes"] == "1"


async def test_a_further_foreign_entry_adds_to_an_open_recovery(work: ScriptedCell) -> None:
    """It names the recovery by its correlation id, and its cause if it likes."""
    await work.deploy(RESTORE, WARM)
    sent = await work.publish(FAILED)
    further = await work.xadd(
        DatabaseRestored(subject="orders-db"),
        correlationid=sent.correlation_id,
        causationid=sent.envelope.id,
    )
    lease = await work.take(WARM)
    assert await work.outstanding(sent) == sent.owed(RESTORE) | further.owed(WARM)
    (adopted,) = await work.ledger(sent, "adopted")
    assert (adopted["event"], adopted["cause"]) == (further.envelope.id, sent.envelope.id)
    await work.commit(lease)
    assert await work.outstanding(sent) == sent.owed(RESTORE)


@pytest.mark.parametrize("written", ["before the end", "after the end"])
async def test_a_foreign_entry_seen_late_reopens_its_recovery(
    work: ScriptedCell, written: str
) -> None:
    """An entry nobody has seen is work, even when its recovery was closed without it."""
    await work.deploy(RESTORE, WARM)
    sent = await work.publish(FAILED)
    late = DatabaseRestored(subject="orders-db")
    if written == "before the end":
        await work.xadd(late, correlationid=sent.correlation_id)
    await work.commit(await work.take(RESTORE))
    assert (await work.summary(sent))["status"] == "closed"
    if written == "after the end":
        await work.xadd(late, correlationid=sent.correlation_id)

    lease = await work.take(WARM)
    assert (await work.summary(sent))["status"] == "open"
    assert "reopened" in await work.kinds(sent)
    await work.commit(lease)
    assert (await work.summary(sent))["done"] == "2"
    assert len(await work.closings(sent)) == 2


async def test_a_foreign_failure_nobody_hears_is_blamed(work: ScriptedCell) -> None:
    """Seen only by a group of another subject, it is named in the verdict of its recovery."""
    await work.deploy(RESTORE, OTHER)
    sent = await work.publish(FAILED)
    await work.skip(await work.read_one(OTHER))
    await work.xadd(ServiceFailed(subject="cart"), correlationid=sent.correlation_id)
    assert await work.skip(await work.read_one(OTHER)) == [1, b"", 0]
    await work.commit(await work.take_first(RESTORE))
    summary = await work.summary(sent)
    assert (summary["verdict"], summary["unanswered"]) == ("partial", "1")


async def test_a_foreign_fact_nobody_hears_is_noted(work: ScriptedCell) -> None:
    """It is part of the story, and nobody waits for it."""
    about_b = handler(CacheWarmed.about("b"), name="web.reopen")
    await work.deploy(RESTORE, about_b)
    sent = await work.publish(FAILED)
    await work.xadd(CacheWarmed(subject="a"), correlationid=sent.correlation_id)
    assert await work.skip(await work.read_one(about_b)) == [1, b"", 0]
    assert await work.outstanding(sent) == sent.owed(RESTORE)
    assert (await work.summary(sent))["events"] == "2"


async def test_an_entry_older_than_any_record_is_left_alone(work: ScriptedCell) -> None:
    """Its recovery may have come and gone: what is beyond retention is never begun."""
    await work.deploy(RESTORE)
    seconds, _ = await work.client.time()
    retention_s = int(work.settings.record_retention.total_seconds())
    sent = await work.xadd(FAILED, f"{(seconds - retention_s - 60) * 1000}-0")
    assert await work.admit(await work.read_one(RESTORE)) == Closed()
    assert await work.summary(sent) == {}
    assert await work.kinds(sent) == []


async def test_an_entry_from_the_future_opens_its_recovery_now(work: ScriptedCell) -> None:
    """An id ahead of the clock is read like any other, and dates nothing."""
    await work.deploy(RESTORE)
    sent = await work.xadd(FAILED, "18446744073709551615-18446744073709551614")
    seconds, _ = await work.client.time()
    await work.commit(await work.take(RESTORE))
    summary = await work.summary(sent)
    assert summary["verdict"] == "completed"
    assert int(summary["opened"]) <= (seconds + 5) * 1000


async def test_an_entry_that_claims_to_be_recorded_is_adopted_without_a_record(
    work: ScriptedCell,
) -> None:
    """When the record is lost, or was never there, the entry itself is enough to begin."""
    await work.deploy(RESTORE)
    sent = await work.xadd(FAILED, recorded="1")
    await work.take(RESTORE)
    assert await work.outstanding(sent) == sent.owed(RESTORE)
    assert await work.kinds(sent) == ["opened", "adopted", "started"]


async def test_a_group_deployed_before_an_entry_is_seen_reads_it_too(work: ScriptedCell) -> None:
    """Whom an adoption counts on must be able to read the entry, else nobody ever settles it."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    sent = await work.xadd(FAILED)
    await work.deploy(PAGE)
    lease = await work.take(RESTORE)
    assert await work.outstanding(sent) == sent.owed(RESTORE, PAGE)
    (delivery,) = await work.read(PAGE)
    assert delivery.entry_id == sent.entry_id
    await work.commit(lease)
    await work.commit(await work.lease(delivery))
    assert (await work.summary(sent))["verdict"] == "completed"


async def test_a_group_deployed_before_a_crashed_worker_is_replaced_reads_it_too(
    work: ScriptedCell,
) -> None:
    """The entry was read by a worker that died before it was seen: it is still nobody's."""
    await work.deploy(RESTORE)
    sent = await work.xadd(FAILED)
    await work.read_one(RESTORE)
    await work.deploy(PAGE)
    (delivery,) = await work.claim(RESTORE)
    await work.lease(delivery, BOB)
    assert await work.outstanding(sent) == sent.owed(RESTORE, PAGE)
    assert [d.entry_id for d in await work.read(PAGE)] == [sent.entry_id]

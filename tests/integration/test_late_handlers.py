"""Handlers that come after the event they react to."""

from __future__ import annotations

import asyncio

from antiphon import Publisher, Service, Settings, all_of
from antiphon.flow.join import Joined
from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    RecoveryCompleted,
    ServiceFailed,
    derived_id,
)
from witness import Witness, changed, rows, running


def _listening(name: str, settings: Settings, heard: list[str]) -> Service:
    service = Service(name, settings=settings)

    @service.on(ServiceFailed)
    async def listen(failed: ServiceFailed) -> None:
        heard.append(failed.subject)

    return service


async def test_an_event_waits_for_its_first_handler(settings: Settings, witness: Witness) -> None:
    """An event published before any handler exists is delivered when one comes."""
    heard: list[str] = []
    async with Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="db"))
    assert await witness.open_recoveries() == [receipt.correlation_id]
    async with running(_listening("ops", settings, heard)):
        record = await witness.closed(receipt.correlation_id)
    assert heard == ["db"]
    assert (record.summary.done, record.summary.unanswered) == (1, 0)


async def test_a_bare_entry_waits_too(settings: Settings, witness: Witness) -> None:
    """So is one that was written by a bare XADD, when nobody of Antiphon's was there at all."""
    heard: list[str] = []
    entry = await witness.xadd("service.failed", {"subject": "db"})
    async with running(_listening("ops", settings, heard)):
        await witness.closed(derived_id(witness.keys.events("service.failed"), entry))
    assert heard == ["db"]


async def test_a_new_handler_joins_what_is_open(settings: Settings, witness: Witness) -> None:
    """A handler deployed during a recovery sees its events, and none of those that are over."""
    may_end = asyncio.Event()
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        if failed.subject == "open":
            await may_end.wait()
        return DatabaseRestored(subject=failed.subject)

    heard: list[str] = []
    async with running(ops), Publisher(settings) as publisher:
        opened = await publisher.publish(ServiceFailed(subject="open"))
        await witness.told(opened.correlation_id, "started")
        closed = await publisher.publish(ServiceFailed(subject="closed"))
        await witness.closed(closed.correlation_id)
        async with running(_listening("late", settings, heard)):
            await witness.told(opened.correlation_id, "completed", group="late.listen")
            after = await publisher.publish(ServiceFailed(subject="after"))
            await witness.closed(after.correlation_id)
            may_end.set()
            record = await witness.closed(opened.correlation_id)
        history = await witness.record(closed.correlation_id)
    assert heard == ["open", "after"]
    assert record.summary.done == 2
    assert history is not None
    assert history.summary.closes == 1
    assert [row for row in history.ledger if row.text("group") == "late.listen"] == []


async def test_a_late_join_looks_back(settings: Settings, witness: Witness) -> None:
    """A join deployed after its first branch arrived counts it, while the recovery is open."""
    may_end = asyncio.Event()
    ops, web = Service("ops", settings=settings), Service("web", settings=settings)
    joined: list[int] = []

    @ops.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @ops.on(ServiceFailed)
    async def warm(failed: ServiceFailed) -> CacheWarmed:
        await may_end.wait()
        return CacheWarmed(subject="cache")

    @web.on(all_of(DatabaseRestored, CacheWarmed))
    async def reopen(both: Joined) -> None:
        joined.append(len(both))

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="shop"))
        await witness.told(receipt.correlation_id, "completed", group="ops.restore")
        async with running(web):
            await witness.told(receipt.correlation_id, "joined", group="web.reopen")
            may_end.set()
            await witness.closed(receipt.correlation_id)
    assert joined == [2]


async def test_an_event_nobody_comes_to_hear_is_unanswered(
    settings: Settings, witness: Witness
) -> None:
    """After its time a failure without any handler ends as failed; nothing stays open for ever."""
    settings = changed(settings, lease="300ms", unheard_after="500ms")
    news = Service("news", settings=settings)

    @news.on(RecoveryCompleted)
    async def cheer(completed: RecoveryCompleted) -> None: ...

    async with running(news):
        receipt = await news.publish(ServiceFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    [reason] = record.summary.reasons
    assert "service.failed" in reason
    assert "nobody came to hear it" in reason
    assert len(rows(record, "lost")) == 1

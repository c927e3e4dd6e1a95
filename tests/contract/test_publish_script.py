"""What publish.lua promises: an event is written once, together with its record."""

from __future__ import annotations

from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    RecoveryCompleted,
    ServiceFailed,
    ServiceRestarted,
    decode,
)
from scripted import ScriptedCell, handler
from snapshots import changed, snapshot

FAILED = ServiceFailed(subject="orders-db", reason="no answer")
RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")
PAGE = handler(ServiceFailed, name="pager.page")
OTHER = handler(ServiceFailed.about("billing-db"), name="billing.restore")


async def test_a_published_event_opens_its_recovery(work: ScriptedCell) -> None:
    """Entry, record, indexes and ledger are there at once, and tell the same story."""
    await work.deploy(RESTORE, PAGE, OTHER)
    sent = await work.publish(FAILED)
    assert sent.written
    assert await work.outstanding(sent) == sent.owed(RESTORE, PAGE)
    summary = await work.summary(sent)
    assert summary.pop("opened").isdigit()
    assert summary == {
        "status": "open",
        "type": "service.failed",
        "subject": "orders-db",
        "root": sent.envelope.id,
        "events": "1",
        "deliveries": "2",
        "source": "redis",
        "parent": "",
        "terms": "0 roll-back 900000",
    }
    opened, published = await work.ledger(sent)
    assert (opened["kind"], opened["event"]) == ("opened", sent.envelope.id)
    assert (published["kind"], published["entry"]) == ("published", sent.entry_id)
    assert set(published["to"].split(",")) == {RESTORE.group, PAGE.group}
    cid = sent.correlation_id.encode()
    assert await work.client.zrange(work.keys.open_recoveries, 0, -1) == [cid]
    assert await work.client.zrange(work.keys.subject_recoveries("orders-db"), 0, -1) == [cid]
    ((_, fields),) = await work.client.xrange(work.keys.events("service.failed"))
    assert fields[b"recorded"] == b"1"
    assert fields[b"id"] == sent.envelope.id.encode()


async def test_publishing_again_writes_nothing(work: ScriptedCell) -> None:
    """Who does not know whether an event was written publishes it again, and makes one entry."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    before = await snapshot(work.client, work.keys)
    again = await work.publish(FAILED, again=sent.envelope)
    assert (again.entry_id, again.written) == (sent.entry_id, False)
    assert await snapshot(work.client, work.keys) == before


async def test_the_marker_of_an_event_outlives_every_retry(work: ScriptedCell) -> None:
    """What was published is remembered for as long as an idempotency key is."""
    sent = await work.publish(FAILED)
    lifetime = await work.client.pttl(work.keys.published(sent.envelope.id))
    retention = work.settings.key_retention.total_seconds() * 1000
    assert retention - 60_000 < lifetime <= retention


async def test_a_further_event_joins_the_open_recovery(work: ScriptedCell) -> None:
    """An event that names a correlation id adds to that recovery's work."""
    await work.deploy(RESTORE, PAGE)
    sent = await work.publish(FAILED)
    further = await work.publish(
        ServiceFailed(subject="orders-api"), correlation_id=sent.correlation_id
    )
    assert await work.outstanding(sent) == sent.owed(RESTORE, PAGE) | further.owed(PAGE)
    assert (await work.summary(sent))["events"] == "2"
    assert await work.kinds(sent) == ["opened", "published", "published"]


async def test_a_root_nobody_hears_keeps_its_recovery_open(work: ScriptedCell) -> None:
    """A handler that is deployed later can still answer it, so it is waited for."""
    sent = await work.publish(FAILED)
    assert await work.outstanding(sent) == {f"service.failed|{sent.entry_id}|?"}
    assert (await work.summary(sent))["status"] == "open"


async def test_a_further_failure_nobody_hears_is_blamed(work: ScriptedCell) -> None:
    """Within a recovery an unheard failure is named in its verdict; an unheard fact is not."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    await work.publish(ServiceFailed(subject="orders-api"), correlation_id=sent.correlation_id)
    await work.publish(CacheWarmed(subject="orders-cache"), correlation_id=sent.correlation_id)
    assert await work.outstanding(sent) == sent.owed(RESTORE)
    summary = await work.summary(sent)
    assert summary["unanswered"] == "1"
    assert [text for name, text in summary.items() if name.startswith("!")] == [
        "service.failed about orders-api: no handler answered"
    ]


async def test_an_event_for_a_closed_recovery_reopens_it(work: ScriptedCell) -> None:
    """Its record is kept again, and closes again, with an event of its own, when the work ends."""
    restart = handler(ServiceRestarted, name="web.reopen")
    await work.deploy(RESTORE, restart)
    sent = await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    assert (await work.summary(sent))["status"] == "closed"
    assert await work.client.pttl(work.keys.ledger(sent.correlation_id)) > 0

    late = await work.publish(
        ServiceRestarted(subject="orders-api"), correlation_id=sent.correlation_id
    )
    summary = await work.summary(sent)
    assert summary["status"] == "open"
    assert not {"verdict", "closed"} & set(summary)
    assert await work.outstanding(sent) == late.owed(restart)
    assert await work.client.pttl(work.keys.recovery(sent.correlation_id)) == -1
    assert await work.client.pttl(work.keys.ledger(sent.correlation_id)) == -1
    assert await work.client.zscore(work.keys.closed_recoveries, sent.correlation_id) is None
    opened = await work.client.zscore(work.keys.open_recoveries, sent.correlation_id)
    assert opened == int(summary["opened"])

    await work.commit(await work.take(restart))
    closings = await work.closings(sent)
    assert [fields[b"id"].decode() for fields in closings] == [
        f"{sent.correlation_id}:1",
        f"{sent.correlation_id}:2",
    ]


async def test_an_event_nobody_hears_leaves_a_closed_recovery_closed(work: ScriptedCell) -> None:
    """There is nothing to wait for, so there is nothing to close again."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    await work.publish(DatabaseRestored(subject="orders-db"), correlation_id=sent.correlation_id)
    assert (await work.summary(sent))["status"] == "closed"
    assert len(await work.closings(sent)) == 1


async def test_a_closing_event_can_be_read_like_any_other(work: ScriptedCell) -> None:
    """It names its recovery and its subject, and its data follow its schema."""
    after = handler(RecoveryCompleted, name="pager.calm")
    await work.deploy(RESTORE, after)
    sent = await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    delivery = await work.read_one(after)
    assert delivery.flaw is None
    assert delivery.envelope.correlation_id == sent.correlation_id
    assert delivery.envelope.subject == "orders-db"
    ((_, fields),) = await work.client.xrange(work.keys.events("recovery.completed"))
    event = decode(RecoveryCompleted, delivery.envelope, fields[b"data"])
    assert (event.done, event.dead, event.unanswered, event.reasons) == (1, 0, 0, [])
    assert 0 < event.opened_ms <= event.closed_ms


async def test_news_of_a_closing_opens_nothing(work: ScriptedCell) -> None:
    """A handler that hears of a verdict acts on it, and the recovery stays closed."""
    after = handler(RecoveryCompleted, name="pager.calm")
    await work.deploy(RESTORE, after)
    sent = await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    before = await snapshot(work.client, work.keys)
    await work.commit(await work.take(after))
    assert (await work.summary(sent))["status"] == "closed"
    assert len(await work.closings(sent)) == 1
    assert not changed(before, await snapshot(work.client, work.keys)) & {
        work.keys.open_recoveries,
        work.keys.closed_recoveries,
        work.keys.outstanding(sent.correlation_id),
    }

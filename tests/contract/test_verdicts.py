"""How a recovery ends: settle.lua closes it, resolve.lua and audit.lua give up what is lost."""

from __future__ import annotations

import pytest

from antiphon.broker.replies import Committed, said
from antiphon_events import (
    DatabaseRestored,
    Envelope,
    Event,
    RecoveryFailed,
    ServiceFailed,
    decode,
    event_class,
)
from escalating import giving_up
from scripted import BOB, ScriptedCell, Sent, handler
from snapshots import changed, snapshot
from witness import changed as with_settings

FAILED = ServiceFailed(subject="orders-db")
RESTORED = DatabaseRestored(subject="orders-db")
RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")
PAGE = handler(ServiceFailed, name="pager.page")
WARM = handler(DatabaseRestored, name="cache.warm")


async def closing(work: ScriptedCell, sent: Sent) -> Event:
    """The one closing event of a recovery, read as any handler would read it."""
    (fields,) = await work.closings(sent)
    kind = fields[b"type"].decode()
    envelope = Envelope.from_fields(fields, stream="", entry_id="1-0", default_type=kind)
    return decode(event_class(kind), envelope, fields[b"data"])


@pytest.mark.parametrize(
    ("restored", "paged", "verdict"),
    [
        ("commit", "commit", "completed"),
        ("commit", "skip", "completed"),
        ("commit", "bury", "partial"),
        ("bury", "commit", "partial"),
        ("bury", "bury", "failed"),
        ("bury", "skip", "failed"),
    ],
)
async def test_the_verdict_follows_from_how_the_work_ended(
    work: ScriptedCell, restored: str, paged: str, verdict: str
) -> None:
    """All done, some of it, or none; the closing event counts it and names what died."""
    await work.deploy(RESTORE, PAGE)
    sent = await work.publish(FAILED)
    for h, end in ((RESTORE, restored), (PAGE, paged)):
        assert await work.closings(sent) == []
        delivery = await work.read_one(h)
        if end == "skip":
            await work.skip(delivery)
        else:
            await getattr(work, end)(await work.lease(delivery))
    data = await closing(work, sent)
    assert (data.type, data.subject) == (f"recovery.{verdict}", "orders-db")
    ends, names = [restored, paged], [RESTORE.group, PAGE.group]
    died = [name for name, end in zip(names, ends, strict=True) if end == "bury"]
    assert data.model_dump(include={"done", "dead", "unanswered", "reasons"}) == {
        "done": ends.count("commit"),
        "dead": len(died),
        "unanswered": 0,
        "reasons": sorted(f"{name}: died after 1 attempts" for name in died),
    }
    (row,) = await work.ledger(sent, "closed")
    assert (row["verdict"], row["done"]) == (verdict, str(ends.count("commit")))
    assert (await work.summary(sent))["verdict"] == verdict


async def test_a_failure_that_every_handler_declines_is_unanswered(work: ScriptedCell) -> None:
    """Nothing was done about it, so the recovery failed and says so."""
    await work.deploy(RESTORE, PAGE)
    sent = await work.publish(FAILED)
    for h in (RESTORE, PAGE):
        await work.skip(await work.read_one(h))
    data = await closing(work, sent)
    assert isinstance(data, RecoveryFailed)
    assert (data.done, data.unanswered) == (0, 1)
    assert data.reasons == ["service.failed about orders-db: every handler declined it"]


@pytest.mark.parametrize(("before", "partial"), [(0, "accept"), (0, "escalate"), (2, "escalate")])
async def test_the_end_counts_all_that_people_were_told(
    work: ScriptedCell, before: int, partial: str
) -> None:
    """Also what they were told because it ended like that, which is told once."""
    work.settings = with_settings(work.settings, partial=partial)
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    for _ in range(before):
        await work.run(giving_up(work.keys, work.settings, sent.correlation_id))
    reply = await work.bury(await work.take(RESTORE))
    assert isinstance(reply, Committed)
    assert reply.closing is not None
    at_end = int(partial == "escalate")
    assert reply.closing.escalations == before + at_end
    assert (await work.summary(sent)).get("escalations", "0") == str(before + at_end)
    assert bool(reply.closing.told) == bool(at_end)


async def test_reasons_may_hold_any_text(work: ScriptedCell) -> None:
    """Quotes, backslashes, slashes and other alphabets come through the closing event intact."""
    strange = 'a "quoted" \\ back/slash žluťoučký 数据库 %d %s'
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    await work.publish(ServiceFailed(subject=strange), correlation_id=sent.correlation_id)
    await work.commit(await work.take_first(RESTORE))
    data = await closing(work, sent)
    assert data.model_dump()["reasons"] == [f"service.failed about {strange}: no handler answered"]


async def test_a_recovery_that_reopens_ends_with_a_new_verdict(work: ScriptedCell) -> None:
    """What died in its first life is remembered; every close is told once, in its own event."""
    await work.deploy(RESTORE, WARM)
    sent = await work.publish(FAILED)
    await work.bury(await work.take(RESTORE))
    await work.publish(RESTORED, correlation_id=sent.correlation_id)
    reply = await work.commit(await work.take(WARM))
    assert reply == Committed(verdict="partial")
    ids = sorted(fields[b"id"].decode() for fields in await work.closings(sent))
    assert ids == [f"{sent.correlation_id}:{n}" for n in (1, 2)]


@pytest.mark.parametrize(
    ("fault", "verdict", "unanswered"), [(True, "failed", "1"), (False, "completed", None)]
)
async def test_a_root_nobody_came_to_hear_is_given_up(
    work: ScriptedCell, *, fault: bool, verdict: str, unanswered: str | None
) -> None:
    """A failure nobody answered is a failed recovery; an unheard fact is none."""
    sent = await work.publish(FAILED)
    member = f"service.failed|{sent.entry_id}|?"
    settled, end = await work.resolve(sent, member, fault=fault)
    assert (settled, said(end)) == (1, verdict)
    summary = await work.summary(sent)
    assert (summary["verdict"], summary.get("unanswered")) == (verdict, unanswered)
    (lost,) = await work.ledger(sent, "lost")
    assert (lost["group"], lost["type"], lost["entry"], lost["error"]) == (
        "?",
        "service.failed",
        sent.entry_id,
        "it was given up",
    )


async def test_what_nobody_waits_for_cannot_be_given_up(work: ScriptedCell) -> None:
    """Settled work, or work that never was: nothing is written."""
    await work.deploy(RESTORE, PAGE)
    sent = await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    before = await snapshot(work.client, work.keys)
    (settled,) = sent.owed(RESTORE)
    assert await work.resolve(sent, settled, fault=True) == [0, b""]
    assert await work.audit(sent, settled) == [0, b""]
    assert await snapshot(work.client, work.keys) == before


async def test_a_retired_group_is_not_waited_for(work: ScriptedCell) -> None:
    """Its work is given up, the rest goes on."""
    await work.deploy(RESTORE, PAGE)
    sent = await work.publish(FAILED)
    (member,) = sent.owed(PAGE)
    assert await work.resolve(sent, member, fault=True) == [1, b""]
    assert await work.outstanding(sent) == sent.owed(RESTORE)
    assert await work.commit(await work.take(RESTORE)) == Committed(verdict="partial")


async def _unread(_: ScriptedCell) -> None:
    pass


async def _pending(work: ScriptedCell) -> None:
    await work.read_one(RESTORE)


async def _running(work: ScriptedCell) -> None:
    await work.take(RESTORE)


async def _postponed(work: ScriptedCell) -> None:
    await work.postpone(await work.take(RESTORE))


async def _groupless(work: ScriptedCell) -> None:
    await work.client.xgroup_destroy(work.keys.events("service.failed"), RESTORE.group)


async def _running_without_its_entry(work: ScriptedCell) -> None:
    await work.take(RESTORE)
    await work.client.xtrim(work.keys.events("service.failed"), maxlen=0)


SAFE = [_unread, _pending, _running, _postponed, _groupless, _running_without_its_entry]


@pytest.mark.parametrize("stand", SAFE, ids=lambda stand: stand.__name__.strip("_"))
async def test_work_in_good_hands_passes_the_audit(work: ScriptedCell, stand: object) -> None:
    """Whoever can still settle it is given the time to, and nothing is written."""
    await work.deploy(RESTORE)
    await work.publish(FAILED)
    await work.commit(await work.take(RESTORE))
    sent = await work.publish(FAILED)
    await stand(work)  # type: ignore[operator]
    before = await snapshot(work.client, work.keys)
    (member,) = sent.owed(RESTORE)
    assert await work.audit(sent, member) == [0, b""]
    assert await snapshot(work.client, work.keys) == before


async def _trimmed_unread(work: ScriptedCell) -> None:
    await work.client.xtrim(work.keys.events("service.failed"), maxlen=0)


async def _trimmed_and_claimed(work: ScriptedCell) -> None:
    await work.take(RESTORE)
    await _trimmed_unread(work)
    # The server drops a claimed entry that is gone, and says so.
    taken = await work.claims().silent(
        RESTORE.group, "", {"service.failed": work.keys.events("service.failed")},
        idle_ms=0, room=10,
    )  # fmt: skip
    assert [t.fields for t in taken] == [None]


async def _trimmed_and_due(work: ScriptedCell) -> None:
    await work.postpone(await work.take(RESTORE))
    await _trimmed_unread(work)
    assert [d.event for d in await work.due(RESTORE)] == [None]


async def _acknowledged_by_hand(work: ScriptedCell) -> None:
    delivery = await work.read_one(RESTORE)
    await work.client.xack(delivery.stream, RESTORE.group, delivery.entry_id)


async def _skipped_by_hand(work: ScriptedCell) -> None:
    await work.client.xgroup_setid(work.keys.events("service.failed"), RESTORE.group, "$")


async def _stream_deleted(work: ScriptedCell) -> None:
    await work.client.delete(work.keys.events("service.failed"))


LOST = [
    _trimmed_unread,
    _trimmed_and_claimed,
    _trimmed_and_due,
    _acknowledged_by_hand,
    _skipped_by_hand,
    _stream_deleted,
]


@pytest.mark.parametrize("lose", LOST, ids=lambda lose: lose.__name__.strip("_"))
async def test_lost_work_is_settled_by_the_audit(work: ScriptedCell, lose: object) -> None:
    """No recovery waits for ever for what nobody can do any more; the verdict names it, once."""
    await work.deploy(RESTORE)
    sent = await work.publish(FAILED)
    await lose(work)  # type: ignore[operator]
    (member,) = sent.owed(RESTORE)
    settled, end = await work.audit(sent, member)
    assert (settled, said(end)) == (1, "failed")
    data = await closing(work, sent)
    assert data.type == "recovery.failed"
    reasons = data.model_dump()["reasons"]
    assert reasons == [f"{RESTORE.group}: the entry {sent.entry_id} of service.failed was lost"]
    (lost,) = await work.ledger(sent, "lost")
    assert (lost["group"], lost["type"], lost["entry"]) == (
        RESTORE.group,
        "service.failed",
        sent.entry_id,
    )
    before = await snapshot(work.client, work.keys)
    assert await work.audit(sent, member) == [0, b""]
    assert not changed(before, await snapshot(work.client, work.keys))


async def test_a_step_whose_entry_is_gone_can_still_be_committed(work: ScriptedCell) -> None:
    """The worker has all it needs, so the audit leaves it alone and its work counts."""
    await work.deploy(RESTORE, WARM)
    sent = await work.publish(FAILED)
    lease = await work.take(RESTORE)
    await _trimmed_unread(work)
    (member,) = sent.owed(RESTORE)
    assert await work.audit(sent, member) == [0, b""]
    await work.commit(lease, RESTORED)
    assert await work.commit(await work.take(WARM, BOB), by=BOB) == Committed(verdict="completed")

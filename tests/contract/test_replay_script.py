"""What replay.lua promises: a dead letter goes back to its group, and its recovery waits again."""

from __future__ import annotations

import pytest

from antiphon.broker import auditing
from antiphon.broker.deadletters import NotReplayable
from antiphon.broker.replies import Committed, Duplicate
from antiphon.deadletter import DeadLetter
from antiphon.delivery import INBOX
from antiphon_events import ServiceFailed
from scripted import BOB, ScriptedCell, Sent, handler
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")
PAGE = handler(ServiceFailed, name="pager.page")


async def died(work: ScriptedCell, way: str = "publish") -> tuple[Sent, DeadLetter]:
    """A recovery that failed: its one step died."""
    await work.deploy(RESTORE)
    sent = await getattr(work, way)(FAILED)
    await work.bury(await work.take(RESTORE))
    (letter,) = await work.letters()
    return sent, letter


@pytest.mark.parametrize("way", ["publish", "xadd"])
async def test_a_dead_letter_is_delivered_again(work: ScriptedCell, way: str) -> None:
    """It is the same event of the same recovery, whoever wrote it, for the group it died in."""
    sent, letter = await died(work, way)
    await work.deploy(PAGE)
    entry_id = await work.dead_letters.replay(letter)
    assert await work.outstanding(sent) == {f"{INBOX}|{entry_id}|{RESTORE.group}"}
    summary = await work.summary(sent)
    assert (summary["status"], summary["dead"]) == ("open", "0")
    assert not [name for name in summary if name.startswith("!")]
    assert await work.letters() == []
    (replayed,) = await work.ledger(sent, "replayed")
    assert (replayed["group"], replayed["entry"], replayed["dead"]) == (
        RESTORE.group,
        entry_id,
        letter.id,
    )

    (delivery,) = await work.due(RESTORE)
    assert (delivery.label, delivery.entry_id) == (INBOX, entry_id)
    assert delivery.flaw is None
    assert delivery.envelope.id == sent.envelope.id
    assert delivery.envelope.correlation_id == sent.correlation_id
    lease = await work.lease(delivery, BOB)
    assert (lease.attempt, lease.failures) == (1, 0)
    assert await work.commit(lease, by=BOB) == Committed(verdict="completed")
    assert (await work.summary(sent))["done"] == "1"
    assert await work.read(PAGE) == []


async def test_who_replays_and_who_drops_is_in_the_audit(work: ScriptedCell) -> None:
    """Once for what was done, with the reason; repeating it leaves no further row."""
    _, first = await died(work)
    await work.dead_letters.replay(first, by="ana", reason="repaired")
    await work.dead_letters.replay(first, by="ana", reason="repaired")
    _, second = await died(work)
    await work.dead_letters.drop([second], by="ben", reason="obsolete")
    deeds = await auditing.latest(work.dead_letters.errand)
    assert [(it.action, it.what, it.by, it.reason) for it in deeds] == [
        ("drop", second.id, "ben", "obsolete"),
        ("replay", first.id, "ana", "repaired"),
    ]


async def test_who_drops_is_in_the_ledger(work: ScriptedCell) -> None:
    """Once for each letter, with the reason; the verdict and all else of the record stay."""
    sent, letter = await died(work)
    before, lives = await work.summary(sent), await _lives(work, sent)
    assert await work.dead_letters.drop([letter], by="ben", reason="obsolete") == 1
    assert await work.dead_letters.drop([letter], by="ana", reason="again") == 0
    (row,) = await work.ledger(sent, "discarded")
    assert {name: value for name, value in row.items() if name != "kind"} == {
        "group": RESTORE.group,
        "event": sent.envelope.id,
        "dead": letter.id,
        "by": "ben",
        "reason": "obsolete",
    }
    assert await work.summary(sent) == before
    assert 0 < await _lives(work, sent) <= lives
    with pytest.raises(NotReplayable, match="thrown away by ben: obsolete"):
        await work.dead_letters.replay(letter)


async def test_many_letters_are_dropped_each_in_its_own_recovery(work: ScriptedCell) -> None:
    """A letter whose recovery is not on record any more goes as well, and brings no record back."""
    one, first = await died(work)
    gone = await work.publish(ServiceFailed(subject="orders-db", reason="again"))
    await work.bury(await work.take(RESTORE))
    second = next(it for it in await work.letters() if it.id != first.id)
    keys, correlation_id = work.keys, gone.correlation_id
    await work.client.delete(keys.recovery(correlation_id), keys.ledger(correlation_id))
    assert await work.dead_letters.drop([first, second, first], by="ben") == 2
    assert await work.letters() == []
    (row,) = await work.ledger(one, "discarded")
    assert row["dead"] == first.id
    assert not await work.client.exists(keys.recovery(correlation_id), keys.ledger(correlation_id))


async def _lives(work: ScriptedCell, sent: Sent) -> int:
    return int(await work.client.pttl(work.keys.ledger(sent.correlation_id)))


async def test_a_replay_that_dies_is_a_dead_letter_again(work: ScriptedCell) -> None:
    """It can be replayed once more, and is counted once however often it died."""
    sent, letter = await died(work)
    for _ in range(2):
        await work.dead_letters.replay(letter)
        (delivery,) = await work.due(RESTORE)
        reply = await work.bury(await work.lease(delivery, BOB), by=BOB)
        assert isinstance(reply, Committed)
        assert reply.verdict == "failed"
        assert (await work.summary(sent))["dead"] == "1"
        (letter,) = await work.letters()
        assert (letter.label, letter.type) == (INBOX, "service.failed")
        assert letter.event == sent.envelope.id


async def test_a_replay_of_what_was_done_meanwhile_is_a_duplicate(work: ScriptedCell) -> None:
    """The effect has been done under the same key by another delivery, and is not done twice."""
    once = handler(ServiceFailed, name="orders.once", key="{subject}")
    await work.deploy(once)
    await work.publish(FAILED)
    second = await work.publish(FAILED)
    one, two = await work.read(once)
    await work.bury(await work.lease(one))
    await work.commit(await work.lease(two))
    (letter,) = await work.letters()
    await work.dead_letters.replay(letter)
    (delivery,) = await work.due(once)
    (of,) = second.owed(once)
    assert await work.admit(delivery, BOB) == Duplicate(of=of, verdict="completed")


async def test_replaying_again_makes_no_second_entry(work: ScriptedCell) -> None:
    """A replay whose reply was lost is repeated and names the entry it made."""
    _, letter = await died(work)
    entry_id = await work.dead_letters.replay(letter)
    before = await snapshot(work.client, work.keys)
    assert await work.dead_letters.replay(letter) == entry_id
    assert await snapshot(work.client, work.keys) == before


async def _dropped(work: ScriptedCell, letter: DeadLetter) -> None:
    await work.dead_letters.drop([letter])


async def _unregistered(work: ScriptedCell, letter: DeadLetter) -> None:
    await work.client.hdel(work.keys.groups, letter.group)


@pytest.mark.parametrize("prevent", [_dropped, _unregistered], ids=["dropped", "unregistered"])
async def test_what_cannot_be_replayed_is_left_as_it_is(
    work: ScriptedCell, prevent: object
) -> None:
    """The letter was dropped, or its group is gone: the answer says which, nothing is written."""
    _, letter = await died(work)
    await prevent(work, letter)  # type: ignore[operator]
    before = await snapshot(work.client, work.keys)
    with pytest.raises(NotReplayable, match=r"thrown away|not registered"):
        await work.dead_letters.replay(letter)
    assert await snapshot(work.client, work.keys) == before


async def test_a_replay_into_a_lost_group_is_refused_whole(work: ScriptedCell) -> None:
    """The group's worker must make it again first; until then the letter stays where it is."""
    sent, letter = await died(work)
    await work.client.delete(work.keys.inbox(RESTORE.group))
    before = await work.summary(sent)
    with pytest.raises(Exception, match="NOGROUP"):
        await work.dead_letters.replay(letter)
    assert await work.letters() == [letter]
    assert await work.summary(sent) == before
    assert await work.client.xlen(work.keys.inbox(RESTORE.group)) == 0


async def test_a_replay_outlives_the_record(work: ScriptedCell) -> None:
    """A letter may be older than its recovery's record, and then begins a new one."""
    sent, letter = await died(work)
    await work.client.delete(*work.keys.record(sent.correlation_id, "orders-db")[:3])
    await work.dead_letters.replay(letter)
    (delivery,) = await work.due(RESTORE)
    reply = await work.commit(await work.lease(delivery, BOB), by=BOB)
    assert reply == Committed(verdict="completed")
    summary = await work.summary(sent)
    assert (summary["root"], summary["done"]) == (sent.envelope.id, "1")
    assert "dead" not in summary

"""A survey says how a cell is, on a real server, and looks at no more than it says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from antiphon import Settings
from antiphon.broker import survey
from antiphon.broker.errand import Errand
from antiphon.broker.survey import OTHER, Surveying
from antiphon.survey import Circuit, Queue, Survey, Use
from antiphon_events import ServiceFailed
from asking import asked, gate
from flowing import FlowCell
from guardroom import Guardroom
from scripted import ScriptedCell, handler
from witness import Witness

RESTORE = handler(ServiceFailed, name="orders.restore")
GROUP, FAILED = "orders.restore", "service.failed"
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@pytest.fixture
def room(witness: Witness) -> Guardroom:
    return Guardroom(witness)


async def surveyed(settings: Settings) -> Survey:
    async with Errand.begin(settings) as errand:
        return await Surveying(errand).survey()


def queue(found: Survey, stream: str = FAILED, group: str = GROUP) -> Queue:
    (one,) = [q for q in found.queues if (q.group, q.stream) == (group, stream)]
    return one


async def test_an_empty_cell_has_nothing_to_tell(settings: Settings) -> None:
    """No group, no recovery, nobody told: zeros, and tiers from the setting."""
    found = await surveyed(settings)
    assert found == Survey(taken=found.taken, unacknowledged={1: 0, 2: 0, 3: 0})


async def test_queues_are_counted(settings: Settings) -> None:
    """What nobody has read, what is read and not settled, and how long the oldest has waited."""
    async with Errand.begin(settings) as errand:
        work = ScriptedCell(errand)
        await work.deploy(RESTORE)
        for number in range(3):
            await work.publish(ServiceFailed(subject=f"db-{number}"))
        await work.read(RESTORE, count=2)
        found = await Surveying(errand).survey()
        assert (queue(found).lag, queue(found).pending) == (1, 2)
        assert timedelta() < queue(found).oldest_pending < timedelta(minutes=1)
        inbox = queue(found, "inbox")
        assert (inbox.lag, inbox.pending, inbox.oldest_pending) == (0, 0, timedelta())
        assert (found.open, found.stalled) == (3, 0)
        assert timedelta() < found.oldest_open < timedelta(minutes=1)


async def test_the_oldest_of_what_is_pending_counts(settings: Settings) -> None:
    """However young the newest is."""
    async with Errand.begin(settings) as errand:
        work = ScriptedCell(errand)
        await work.deploy(RESTORE)
        now_s, _ = await work.client.time()
        old = f"{now_s * 1000 - MINUTE_MS}-1"
        await work.client.xadd(work.keys.events(FAILED), {"subject": "db"}, id=old)
        await work.publish(ServiceFailed(subject="db"))
        await work.read(RESTORE, count=2)
        found = queue(await Surveying(errand).survey())
        assert found.pending == 2
        assert timedelta(minutes=1) <= found.oldest_pending < timedelta(minutes=2)


async def test_entries_a_stream_has_lost_are_not_waited_for(settings: Settings) -> None:
    """The server counts a deleted entry as unread; there is nothing to read."""
    async with Errand.begin(settings) as errand:
        work = ScriptedCell(errand)
        await work.deploy(RESTORE)
        sent = await work.publish(ServiceFailed(subject="db"))
        await work.client.xdel(work.keys.events(FAILED), sent.entry_id)
        assert queue(await Surveying(errand).survey()).lag == 0
        for subject in ("read", "lost"):
            sent = await work.publish(ServiceFailed(subject=subject))
        await work.read(RESTORE, count=1)
        await work.client.xdel(work.keys.events(FAILED), sent.entry_id)
        assert queue(await Surveying(errand).survey()).lag == 0


async def test_a_registered_group_without_a_stream_is_passed_over(settings: Settings) -> None:
    """A stream that was deleted by hand takes its groups with it, and no survey."""
    async with Errand.begin(settings) as errand:
        work = ScriptedCell(errand)
        await work.deploy(RESTORE)
        await work.client.delete(work.keys.events(FAILED))
        found = await Surveying(errand).survey()
        assert [q.stream for q in found.queues] == ["inbox"]


async def test_dead_letters_are_counted_by_group(settings: Settings) -> None:
    """As they are kept now: one that is dropped is counted no more."""
    async with Errand.begin(settings) as errand:
        work, surveying = ScriptedCell(errand), Surveying(errand)
        await work.deploy(RESTORE)
        for number in range(3):
            await work.publish(ServiceFailed(subject=f"db-{number}"))
            await work.bury(await work.take_first(RESTORE))
        assert (await surveying.survey()).dead_letters == {GROUP: 3}
        assert (await surveying.survey()).dead_letters == {GROUP: 3}, "nothing has changed"
        first, *_ = await work.letters()
        await work.dead_letters.drop([first])
        assert (await surveying.survey()).dead_letters == {GROUP: 2}
        await work.client.delete(work.keys.dead)
        assert (await surveying.survey()).dead_letters == {}


async def test_dead_letters_beyond_the_limit_are_others(
    settings: Settings, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are counted by group, and so many others there are."""
    monkeypatch.setattr(survey, "_MOST_LETTERS", 20)
    for number in range(35):
        letter = {"deadgroup": "forged", "data": "{}", "deadentry": str(number)}
        await witness.client.xadd(witness.keys.dead, {**letter, "deadgroup": GROUP})
    assert (await surveyed(settings)).dead_letters == {GROUP: 20, OTHER: 15}
    monkeypatch.setattr(survey, "_MOST_LETTER_BYTES", 1)
    assert (await surveyed(settings)).dead_letters == {GROUP: 10, OTHER: 25}


async def test_stalled_recoveries_are_counted(settings: Settings) -> None:
    """Those that were found open past their deadline, while they are open."""
    async with Errand.begin(settings) as errand:
        work = ScriptedCell(errand)
        await work.deploy(RESTORE)
        late = await work.publish(ServiceFailed(subject="db-1"))
        await work.publish(ServiceFailed(subject="db-2"))
        await work.client.hset(work.keys.recovery(late.correlation_id), "stalled", 1)
        assert (await Surveying(errand).survey()).stalled == 1


async def test_a_breaker_is_open_since_it_was_closed_last(
    settings: Settings, room: Guardroom
) -> None:
    """A probe that fails opens it again, and does not make it new."""
    now = await room.now_ms()
    await room.breaker("db", "open", until=MINUTE_MS)
    await room.client.hset(room.keys.guard("breaker", "db"), "since", now - HOUR_MS)
    await room.breaker("old", "half-open", until=MINUTE_MS)  # before `since` was noted
    await room.breaker("shut", "closed", until=0)
    await room.index("breaker", "new", 5, MINUTE_MS)
    db, new, old, shut = (await surveyed(settings)).circuits
    assert (db.name, db.state) == ("db", "open")
    assert timedelta(hours=1) <= db.away < timedelta(hours=1, minutes=1)
    assert (old.state, old.away < timedelta(minutes=1)) == ("half-open", True)
    assert shut == Circuit(name="shut", state="closed", away=timedelta())
    assert new == Circuit(name="new", state="closed", away=timedelta())


async def test_a_guard_whose_limit_was_changed_is_told_once(
    settings: Settings, room: Guardroom
) -> None:
    """Two samples of one name would make Prometheus refuse the whole page."""
    await room.use("budget", "restart:db", 3, HOUR_MS, 1000, 2000)
    await room.index("budget", "restart:db", 5, 2 * HOUR_MS)
    await room.use("rate", "cell", 600, MINUTE_MS, 10)
    await room.use("relapse", "service.failed:db", 3, HOUR_MS, 10)
    found = await surveyed(settings)
    assert found.uses == (
        Use(guard="relapse", name="service.failed:db", used=1, limit=3),
        Use(guard="budget", name="restart:db", used=2, limit=5),
        Use(guard="rate", name="cell", used=1, limit=600),
    )
    assert found.unlisted == 0


async def test_guards_beyond_the_limit_are_counted(settings: Settings, room: Guardroom) -> None:
    """A hundred are told by name, however many subjects have a budget."""
    until = await room.now_ms() + HOUR_MS
    many = {f"budget|restart:db-{n}|3|{HOUR_MS}": until + n for n in range(1100)}
    await room.client.zadd(room.keys.guards, many)
    await room.breaker("db", "open", until=HOUR_MS)
    found = await surveyed(settings)
    assert len(found.uses) == 100
    assert len(found.circuits) + len(found.uses) + found.unlisted == 1101


async def test_escalations_count_from_the_first_time_people_were_told(
    settings: Settings, room: Guardroom
) -> None:
    """By tier; going up a tier does not make one young."""
    now = await room.now_ms()
    await room.escalate("first", subject="db", reason="halted")
    await room.client.hset(room.keys.recovery("first"), "unacked", now - HOUR_MS)
    await room.escalate("second", subject="web", reason="halted")
    found = await surveyed(settings)
    assert found.unacknowledged == {1: 0, 2: 2, 3: 0}
    assert timedelta(hours=1) <= found.oldest_unacknowledged < timedelta(hours=1, minutes=1)


async def test_what_people_have_to_do_is_counted(settings: Settings, room: Guardroom) -> None:
    """Pauses, and requests for approval of steps that still wait."""
    async with Errand.begin(settings) as errand:
        flow = FlowCell(errand)
        await asked(flow, gate("ana"))
        await room.pause("*")
        await room.pause("subject:db")
        assert (found := await Surveying(errand).survey()).approvals == 1
        await room.client.delete(room.keys.held)
        assert (await Surveying(errand).survey()).approvals == 0, "nothing waits for it any more"
    assert found.pauses == 2


async def test_a_survey_costs_no_more_in_a_large_cell(
    settings: Settings, room: Guardroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limits the commands are as many as before; the count of what is open grows."""
    monkeypatch.setattr(survey, "_MOST", 50)
    monkeypatch.setattr(survey, "_MOST_INDEXED", 50)
    monkeypatch.setattr(survey, "_MOST_LISTED", 10)

    async def cost(size: int) -> tuple[int, Survey]:
        now, keys = await room.now_ms(), room.keys
        names = {f"recovery-{number}": now for number in range(size)}
        for key in (keys.open_recoveries, keys.escalations, keys.approvals):
            await room.client.zadd(key, names)
        budgets = {f"budget|{name}|3|{HOUR_MS}": now + HOUR_MS for name in names}
        await room.client.zadd(keys.guards, budgets)
        async with Errand.begin(settings) as errand:
            sent = 0
            round_trip = errand.wire.round_trip

            async def counted(commands: Any) -> Any:
                nonlocal sent
                sent += len(commands)
                return await round_trip(commands)

            object.__setattr__(errand.wire, "round_trip", counted)
            found = await Surveying(errand).survey()
        return sent, found

    small, _ = await cost(60)
    large, found = await cost(3000)
    assert large == small < 250
    assert found.open == 3000
    assert found.approvals == 2950, "those that were not looked at count as waiting"
    await room.client.delete(room.keys.open_recoveries, room.keys.escalations, room.keys.approvals)

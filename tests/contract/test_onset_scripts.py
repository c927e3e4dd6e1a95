"""What relapse.lua and storm.lua promise: repairs that do not hold, and storms, reach a person."""

from __future__ import annotations

import orjson
import pytest

from antiphon import Publisher
from antiphon.broker.replies import OnHold, Run
from antiphon.broker.scripts import Call, script
from antiphon.publisher import Receipt
from antiphon_events import ServiceFailed
from guarded import GuardedCell
from scripted import ALICE, BOB, handler

FAILED = ServiceFailed(subject="a")
REACT = handler(ServiceFailed, name="orders.react", max_age="off")
MINUTE_MS = 60_000


class Days:
    """One subject that fails and is recovered, again and again."""

    def __init__(self, guarded: GuardedCell, publisher: Publisher) -> None:
        self.work, self.publisher = guarded, publisher

    async def fail(self) -> Receipt:
        return await self.publisher.publish(FAILED)

    async def recover(self, *, well: bool = True) -> None:
        lease = await self.work.runs(await self.work.read_one(REACT))
        await (self.work.commit(lease) if well else self.work.bury(lease))

    async def relapses(self) -> list[str]:
        return [row["of"] for _, row in await self.work.rows("relapsed")]


@pytest.fixture
async def days(guarded: GuardedCell, publishers: list[Publisher], clock: None) -> Days:
    await guarded.deploy(REACT)
    await guarded.passes(0)
    return Days(guarded, publishers[0])


async def test_a_success_that_did_not_hold_is_a_relapse(days: Days) -> None:
    """It is one within ten minutes of a completed recovery, and names the one it came after."""
    first = await days.fail()
    await days.recover(well=False)
    await days.work.passes(1)
    second = await days.fail()
    await days.recover()
    assert await days.relapses() == []  # the first had not succeeded
    await days.work.passes(10 * MINUTE_MS - 1)
    third = await days.fail()
    await days.recover()
    assert await days.relapses() == [second.correlation_id]
    record = await days.work.hash(days.work.keys.recovery(third.correlation_id))
    assert record["relapse_of"] == second.correlation_id
    await days.work.passes(10 * MINUTE_MS)
    fourth = await days.fail()
    assert await days.relapses() == [second.correlation_id]  # the third had held
    assert len({r.correlation_id for r in (first, second, third, fourth)}) == 4


async def test_relapses_stop_the_automation(days: Days) -> None:
    """The third within an hour pauses the subject, tells people once, and runs nothing more."""
    receipts = []
    for _ in range(4):
        receipts.append(await days.fail())
        if len(receipts) < 4:
            assert not await days.work.client.exists(days.work.keys.pauses)
            await days.recover()
        await days.work.passes(1)
    pause = orjson.loads(await days.work.client.hget(days.work.keys.pauses, "subject:a"))
    assert pause["by"] == "relapse guard"
    (told,) = await days.work.told()
    data = orjson.loads(told["data"])
    assert told["correlationid"] == receipts[3].correlation_id
    assert (data["guard"], data["limit"], data["value"]) == ("relapse", 3, 3)
    assert data["tried"] == [r.correlation_id for r in receipts[1:]]
    reply = await days.work.waits(await days.work.read_one(REACT))
    assert (reply.guard, reply.name) == ("pause", "subject:a")
    later = await days.fail()
    assert (later.correlation_id, later.coalesced) == (receipts[3].correlation_id, True)
    assert len(await days.work.told()) == 1


async def test_relapses_are_forgotten_in_time(days: Days) -> None:
    """Only those of the last hour count: one now and then stops nothing."""
    await days.fail()
    for _ in range(8):
        await days.recover()
        await days.work.passes(9 * MINUTE_MS)
        await days.fail()
        await days.recover()
        await days.work.passes(21 * MINUTE_MS)
        await days.fail()
    assert len(await days.relapses()) == 8
    assert not await days.work.client.exists(days.work.keys.pauses)


@pytest.mark.usefixtures("clock")
async def test_a_storm_parks_what_is_new(guarded: GuardedCell) -> None:
    """When too many subjects fail, those that come then wait for a person; the earlier ones run."""
    work = guarded.with_settings(storm="3/1m", max_age="off")
    await work.deploy(REACT)
    await work.passes(0)
    sent = [await work.fail(subject) for subject in ("a", "a", "b", "c", "d", "e")]
    pause = orjson.loads(await work.client.hget(work.keys.pauses, "storm"))
    assert pause["by"] == "storm brake"
    (told,) = await work.told()
    assert told["correlationid"] == sent[4].correlation_id
    deliveries = await work.read(REACT)
    for number, d in enumerate(deliveries):
        reply, _ = await work.ask(d)
        assert isinstance(reply, OnHold if number >= 4 else Run)
    await work.passes(2 * MINUTE_MS)  # the wind has gone, and still nobody has looked
    late = await work.fail("f")
    assert (await work.summary(late))["parked"] == str(pause["since"])
    assert len(await work.told()) == 1

    keys = work.keys
    released = Call(
        script("resume"),
        (keys.pauses, keys.audit, keys.guards, keys.storm),
        ("storm", "anna", "it is over"),
    )
    await work.run(released)
    for d in [*deliveries[4:], await work.read_one(REACT)]:
        await work.runs(d, BOB)
    calm = await work.fail("g")
    assert "parked" not in await work.summary(calm)


@pytest.mark.usefixtures("clock")
async def test_few_subjects_are_no_storm(guarded: GuardedCell) -> None:
    """A subject counts once however often it fails, and for no longer than the window."""
    work = guarded.with_settings(storm="3/1m", max_age="off")
    await work.deploy(REACT)
    for subject in "abcabcdefghi":
        await work.fail(subject)
        await work.passes(20_000)
    assert not await work.client.exists(work.keys.pauses)
    await work.runs((await work.read(REACT, ALICE))[-1])

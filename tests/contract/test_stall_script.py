"""What stall.lua promises: past its deadline a recovery is said to be stalled, and goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import orjson
import pytest

from antiphon import Settings
from antiphon.broker.chimes import _NAMED
from antiphon_events import DatabaseFailed, ServiceFailed
from flowing import FlowCell
from sabotage import Sabotage, both_ways
from scripted import HOUR_MS, Sent, handler
from snapshots import changed, snapshot

FAILED = ServiceFailed(subject="orders-db")
RESTORE = handler(ServiceFailed, name="orders.restore")
PAGE = handler(ServiceFailed, name="pager.page")


@pytest.fixture
def settings(redis_url: str, cell: str) -> Settings:
    strict = {DatabaseFailed.type: {"deadline": "off"}}
    hour = timedelta(hours=1)
    return Settings.model_validate(
        {"redis_url": redis_url, "cell": cell, "deadline": hour, "recoveries": strict}
    )


async def opened(flow: FlowCell) -> Sent:
    await flow.deploy(RESTORE, PAGE)
    return await flow.publish(FAILED)


async def deadline_ms(flow: FlowCell) -> float:
    ((_, score),) = await flow.client.zrange(flow.keys.timers, 0, -1, withscores=True)
    return float(score)


async def test_a_recovery_has_its_deadline_from_the_start(flow: FlowCell) -> None:
    """It is in the record and among the timers; a closed recovery has none; a reopened one has."""
    sent = await opened(flow)
    assert await flow.timers() == {("deadline", "", sent.correlation_id)}
    now_ms = int((await flow.client.time())[0]) * 1000
    assert abs(await deadline_ms(flow) - now_ms - HOUR_MS) < 60_000
    assert int((await flow.summary(sent))["deadline"]) == await deadline_ms(flow)
    await flow.commit(await flow.take(PAGE))
    await flow.bury(await flow.take(RESTORE))
    assert await flow.timers() == set()
    (letter,) = await flow.letters()
    await flow.dead_letters.replay(letter)
    assert await flow.timers() == {("deadline", "", sent.correlation_id)}
    (due,) = await flow.due(RESTORE)
    await flow.commit(await flow.lease(due, "bob"), by="bob")


async def test_some_recoveries_have_none(flow: FlowCell) -> None:
    """The type of the event that opens it decides."""
    await flow.deploy(handler(DatabaseFailed, name="db.restore"))
    sent = await flow.publish(DatabaseFailed(subject="db"))
    assert await flow.timers() == set()
    assert "deadline" not in await flow.summary(sent)


async def test_past_its_deadline_people_are_told(flow: FlowCell) -> None:
    """What it waits for is named; nothing else about it changes."""
    sent = await opened(flow)
    owed = await flow.outstanding(sent)
    await flow.ring()
    summary = await flow.summary(sent)
    assert (summary["status"], await flow.outstanding(sent)) == ("open", owed)
    assert int(summary["stalled"]) > 0
    (row,) = await flow.ledger(sent, "stalled")
    assert row["outstanding"].split(",") == sorted(owed)
    assert row["deadline"] == summary["deadline"]
    (escalated,) = await flow.ledger(sent, "escalated")
    assert (escalated["guard"], escalated["value"]) == ("deadline", "2")
    ((_, fields),) = await flow.client.xrange(flow.keys.events("recovery.stalled"))
    data = orjson.loads(fields[b"data"])
    assert data["outstanding"] == sorted(owed)
    assert data["deadline_ms"] == int(summary["deadline"])
    assert "more" not in data["reason"]
    assert await flow.timers() == set()
    assert await flow.client.zscore(flow.keys.escalations, sent.correlation_id) is not None


async def test_it_names_no_more_than_people_read(flow: FlowCell) -> None:
    """The rest is counted."""
    many = [handler(ServiceFailed, name=f"many.n{n}") for n in range(_NAMED + 3)]
    await flow.deploy(*many)
    sent = await flow.publish(FAILED)
    await flow.ring()
    (row,) = await flow.ledger(sent, "stalled")
    assert len(row["outstanding"].split(",")) == _NAMED
    (escalated,) = await flow.ledger(sent, "escalated")
    assert escalated["why"].endswith("and 3 more")


async def test_it_is_said_once_and_not_before(flow: FlowCell) -> None:
    """Early nothing happens, and two workers at once are one."""
    sent = await opened(flow)
    before = await snapshot(flow.client, flow.keys)
    await flow.chimes.ring()
    assert await snapshot(flow.client, flow.keys) == before
    await flow.hasten()
    await asyncio.gather(flow.chimes.ring(), flow.chimes.ring())
    assert len(await flow.ledger(sent, "stalled")) == 1


async def test_a_recovery_that_is_over_does_not_stall(flow: FlowCell) -> None:
    """A timer that was left behind only goes."""
    sent = await opened(flow)
    ((raw, _),) = await flow.client.zrange(flow.keys.timers, 0, -1, withscores=True)
    await flow.commit(await flow.take(PAGE))
    await flow.commit(await flow.take(RESTORE))
    await flow.client.zadd(flow.keys.timers, {raw: 0})
    before = await snapshot(flow.client, flow.keys)
    await flow.chimes.ring()
    assert changed(before, await snapshot(flow.client, flow.keys)) == {flow.keys.timers}
    assert "stalled" not in await flow.summary(sent)


@both_ways
async def test_a_stream_that_takes_none_silences_the_news_alone(
    flow: FlowCell, sabotage: Sabotage
) -> None:
    """People are told all the same."""
    sent = await opened(flow)
    await sabotage(flow, flow.keys.events("recovery.stalled"))
    await flow.ring()
    assert len(await flow.ledger(sent, "stalled", "escalated")) == 2

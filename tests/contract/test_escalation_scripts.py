"""What raise.lua and ack.lua promise: a tier is told once, and nobody after a person answered."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import Any

import pytest

from antiphon.advised import command
from antiphon.broker.errand import Errand
from antiphon.broker.escalations import Escalations
from antiphon.broker.scripts import Call, script
from antiphon.duration import milliseconds
from antiphon.errors import AntiphonError
from antiphon_events import Envelope, RecoveryEscalated, ServiceFailed, decode
from escalating import REASON, TRIED, giving_up, tell_again_at
from scripted import ScriptedCell, Sent
from snapshots import snapshot

FAILED = ServiceFailed(subject="orders-api")
AFTER = (timedelta(minutes=15), timedelta(minutes=30))


async def escalated(work: ScriptedCell, *, due: bool = True) -> Sent:
    """A recovery of which tier 1 was told; `due`: too long ago."""
    sent = await work.publish(FAILED)
    await work.run(giving_up(work.keys, work.settings, sent.correlation_id))
    if due:
        await tell_again_at(work.client, work.keys, sent.correlation_id, 1)
    return sent


async def raised(
    work: ScriptedCell, sent: Sent, *, after: tuple[timedelta, ...] = AFTER
) -> list[Any]:
    args = (sent.correlation_id, work.settings.record_retention // timedelta(milliseconds=1))
    reply: list[Any] = await work.run(
        Call(
            script("raise"),
            work.keys.record(sent.correlation_id, ""),
            (*args, *map(milliseconds, after)),
        )
    )
    return reply


@pytest.mark.parametrize("name", ["a_b@c%d+e=f:g,h./i-1", "two words", "-it's --help", "žluť"])
async def test_the_command_in_an_escalation_can_be_pasted(work: ScriptedCell, name: str) -> None:
    """It is written as all other advice is, whatever the recovery is called."""
    sent = await work.publish(FAILED, correlation_id=name)
    await work.run(giving_up(work.keys, work.settings, sent.correlation_id))
    [event] = await told(work)
    assert event.trace == command("trace", name)


async def acknowledged(work: ScriptedCell, sent: Sent, by: str = "ada") -> list[Any]:
    args = (sent.correlation_id, work.settings.record_retention // timedelta(milliseconds=1))
    keys = work.keys
    reply: list[Any] = await work.run(
        Call(
            script("ack"),
            (*keys.record(sent.correlation_id, ""), keys.audit),
            (*args, by, "on my way"),
        )
    )
    return reply


async def told(work: ScriptedCell) -> list[RecoveryEscalated]:
    """The escalations published so far, as handlers read them."""
    stream = work.keys.events("recovery.escalated")
    events = []
    for entry_id, fields in await work.client.xrange(stream):
        envelope = Envelope.from_fields(
            fields, stream=stream, entry_id=entry_id.decode(), default_type="recovery.escalated"
        )
        events.append(decode(RecoveryEscalated, envelope, fields[b"data"]))
    return events


async def next_in_ms(work: ScriptedCell, sent: Sent) -> float:
    """How long it is until the next tier is told."""
    due = await work.client.zscore(work.keys.escalations, sent.correlation_id)
    seconds, micros = await work.client.time()
    return float(due) - int(seconds) * 1000 - int(micros) / 1000


async def test_what_nobody_acknowledged_goes_up_a_tier(work: ScriptedCell) -> None:
    """It is the same event but for the tier, in the recovery's name, and the ledger says so."""
    sent = await escalated(work)
    said = [b"budget", b"restart:orders-api", REASON.encode()]
    assert await raised(work, sent) == [1, 2, *said, 3, 3]
    first, second = await told(work)
    assert first.tier == 1
    assert second == RecoveryEscalated(
        subject="orders-api",
        reason=REASON,
        guard="budget",
        name="restart:orders-api",
        limit=3,
        value=3,
        tier=2,
        tried=list(TRIED),
        trace=f"antiphon trace {sent.correlation_id}",
    )
    ids = {fields[b"id"] for _, fields in await work.client.xrange(work.keys.news[4])}
    assert len(ids) == 2
    assert (await work.summary(sent))["tier"] == "2"
    rows = await work.ledger(sent, "escalated")
    assert [row["tier"] for row in rows] == ["1", "2"]
    assert {row["event"].encode() for row in rows} == ids
    assert 0 < await next_in_ms(work, sent) <= milliseconds(AFTER[1])


async def test_nobody_is_above_the_last_tier(work: ScriptedCell) -> None:
    """After it, the escalation stays unacknowledged, and is told to nobody else."""
    sent = await escalated(work)
    for _ in range(3):
        await tell_again_at(work.client, work.keys, sent.correlation_id, 1)
        assert (await raised(work, sent))[0] == 1
    assert await work.client.zscore(work.keys.escalations, sent.correlation_id) == math.inf
    before = await snapshot(work.client, work.keys)
    assert await raised(work, sent) == [0]
    assert await snapshot(work.client, work.keys) == before


async def test_without_further_tiers_the_first_is_the_last(work: ScriptedCell) -> None:
    """What is due although the settings know no second tier is told once more, and then never."""
    sent = await escalated(work)
    assert (await raised(work, sent, after=()))[:2] == [1, 2]
    assert await work.client.zscore(work.keys.escalations, sent.correlation_id) == math.inf


async def test_a_tier_is_told_once(work: ScriptedCell) -> None:
    """However many workers try, at the same time or again, one of them tells it."""
    sent = await escalated(work)
    replies = await asyncio.gather(*(raised(work, sent) for _ in range(8)))
    assert sorted(reply[0] for reply in replies) == [*[0] * 7, 1]
    assert [event.tier for event in await told(work)] == [1, 2]


async def test_a_tier_is_not_told_before_its_time(work: ScriptedCell) -> None:
    """The server's clock decides, and nothing is written until then."""
    sent = await escalated(work, due=False)
    before = await snapshot(work.client, work.keys)
    assert await raised(work, sent) == [0]
    assert await snapshot(work.client, work.keys) == before


async def test_an_escalation_that_tried_nothing_can_be_told_again(work: ScriptedCell) -> None:
    """An empty list stays a list, whatever Lua takes it for."""
    sent = await work.publish(FAILED)
    call = giving_up(work.keys, work.settings, sent.correlation_id)
    untried = len(call.args) - len(TRIED)
    await work.run(Call(call.script, call.keys, call.args[:untried]))
    await tell_again_at(work.client, work.keys, sent.correlation_id, 1)
    await raised(work, sent)
    assert [(event.tier, event.tried) for event in await told(work)] == [(1, []), (2, [])]


@pytest.mark.parametrize("instant_ms", [1, math.inf])
async def test_an_escalation_is_forgotten_with_its_record(
    work: ScriptedCell, instant_ms: float
) -> None:
    """When the record has expired, nobody is told any more, and nothing of it is left."""
    sent = await escalated(work)
    await tell_again_at(work.client, work.keys, sent.correlation_id, instant_ms)
    record = work.keys.record(sent.correlation_id, "")[:3]
    await work.client.delete(*record)
    assert await raised(work, sent) == [2]
    assert await work.client.zcard(work.keys.escalations) == 0
    assert await work.client.exists(*record) == 0
    assert [event.tier for event in await told(work)] == [1]


async def test_an_acknowledged_escalation_goes_no_further(work: ScriptedCell) -> None:
    """Who acknowledges it, and why, is in the record, the ledger and the audit."""
    sent = await escalated(work)
    answer, by, at_ms = await acknowledged(work, sent)
    assert (answer, by) == (1, b"ada")
    summary = await work.summary(sent)
    assert (summary["acked"], summary["acked_by"]) == (str(at_ms), "ada")
    assert await work.ledger(sent, "acknowledged") == [
        {"kind": "acknowledged", "by": "ada", "why": "on my way"}
    ]
    ((_, audited),) = await work.client.xrange(work.keys.audit)
    assert audited == {
        b"action": b"acknowledge",
        b"what": sent.correlation_id.encode(),
        b"by": b"ada",
        b"reason": b"on my way",
    }
    assert await raised(work, sent) == [2]
    assert [event.tier for event in await told(work)] == [1]


async def test_the_instant_of_what_was_acknowledged_is_dropped(work: ScriptedCell) -> None:
    """An instant that came back, with a restored backup for one, tells nobody."""
    sent = await escalated(work)
    await acknowledged(work, sent)
    await work.client.zadd(work.keys.escalations, {sent.correlation_id: 1})
    assert await raised(work, sent) == [2]
    assert await work.client.zcard(work.keys.escalations) == 0
    assert [event.tier for event in await told(work)] == [1]


async def test_the_first_to_acknowledge_stays(work: ScriptedCell) -> None:
    """Whoever comes later learns who it was and when, and writes nothing."""
    sent = await escalated(work)
    _, _, at_ms = await acknowledged(work, sent, "ada")
    before = await snapshot(work.client, work.keys)
    assert await acknowledged(work, sent, "bob") == [4, b"ada", at_ms]
    assert await snapshot(work.client, work.keys) == before


async def test_a_new_escalation_is_to_be_acknowledged_anew(work: ScriptedCell) -> None:
    """To know of one trouble of a recovery is not to know of the next."""
    sent = await escalated(work)
    await acknowledged(work, sent)
    await work.run(giving_up(work.keys, work.settings, sent.correlation_id))
    await tell_again_at(work.client, work.keys, sent.correlation_id, 1)
    assert (await raised(work, sent))[:2] == [1, 2]
    assert (await acknowledged(work, sent, "bob"))[:2] == [1, b"bob"]


async def test_there_must_be_something_to_acknowledge(work: ScriptedCell) -> None:
    """An unknown recovery, and one nobody was told of, are told apart; nothing is written."""
    sent = await work.publish(FAILED)
    before = await snapshot(work.client, work.keys)
    errand = Errand(work.settings, work.keys, work.client, work.gatherer, None)  # type: ignore[arg-type]
    escalations = Escalations(errand)
    with pytest.raises(AntiphonError, match="no recovery 'another' is recorded"):
        await escalations.acknowledge("another", by="ada", reason="")
    with pytest.raises(AntiphonError, match="nobody was told"):
        await escalations.acknowledge(sent.correlation_id, by="ada", reason="")
    assert await snapshot(work.client, work.keys) == before


async def test_a_recovery_that_is_over_can_be_acknowledged(work: ScriptedCell) -> None:
    """Its record still expires when it was to."""
    sent = await escalated(work)
    await work.resolve(sent, f"service.failed|{sent.entry_id}|?", fault=True)
    record = work.keys.record(sent.correlation_id, "")
    lifetimes = [await work.client.pexpiretime(record[place]) for place in (0, 2)]
    assert min(lifetimes) > 0
    assert (await raised(work, sent))[0] == 1
    assert (await acknowledged(work, sent))[0] == 1
    assert [await work.client.pexpiretime(record[place]) for place in (0, 2)] == lifetimes

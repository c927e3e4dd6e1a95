"""What limits.lua and halt.lua promise: no recovery runs away, and a pause holds what it names."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from antiphon.broker.calls import publish_call
from antiphon.broker.replies import OnHold, Run, Suppressed
from antiphon.broker.scripts import Call, script
from antiphon_events import (
    CacheWarmed,
    Event,
    RecoveryEscalated,
    RecoveryHalted,
    ServiceFailed,
    ServiceRestarted,
)
from guarded import GuardedCell
from scripted import ALICE, BOB, HOUR_MS, Sent, handler

FAILED = ServiceFailed(subject="a")
REACT = handler(ServiceFailed, name="orders.restart")
CHECK = handler(ServiceRestarted, name="probe.check")
PAGE = handler(ServiceFailed, name="pager.page")


async def paused(guarded: GuardedCell, scope: str) -> None:
    keys = guarded.keys
    await guarded.run(Call(script("pause"), (keys.pauses, keys.audit), (scope, "anna", "deploy")))


async def resumed(guarded: GuardedCell, scope: str) -> None:
    keys = guarded.keys
    pausing = (keys.pauses, keys.audit, keys.guards)
    await guarded.run(Call(script("resume"), pausing, (scope, "anna", "done")))


async def old(guarded: GuardedCell, age_ms: int, event: Event = FAILED) -> Sent:
    """Write an entry that is so old."""
    return await guarded.xadd(event, f"{await guarded.server_ms() - age_ms}-1")


# Staleness


async def test_an_old_failure_is_not_acted_on(guarded: GuardedCell) -> None:
    """It ends, people are told once however many handlers it had, and the verdict is failed."""
    await guarded.deploy(REACT, PAGE)
    sent = await old(guarded, HOUR_MS + 60_000)
    replies = [await guarded.admit(await guarded.read_one(h)) for h in (REACT, PAGE)]
    assert [(r.guard, r.limit, r.told) for r in replies if isinstance(r, Suppressed)] == [
        ("staleness", HOUR_MS, True),
        ("staleness", HOUR_MS, False),
    ]
    assert (await guarded.summary(sent))["verdict"] == "failed"
    (told,) = await guarded.told()
    data = orjson.loads(told["data"])
    assert (data["guard"], data["name"]) == ("staleness", "service.failed:a")
    assert data["value"] >= HOUR_MS + 60_000


async def test_what_is_young_enough_or_no_failure_is_acted_on(guarded: GuardedCell) -> None:
    """Staleness is about failures older than the handler says, and about nothing else."""
    always = handler(ServiceFailed, name="pager.always", max_age="off")
    soon = handler(ServiceFailed, name="pager.soon", max_age="1m")
    await guarded.deploy(REACT, CHECK, always, soon)
    await old(guarded, HOUR_MS - 60_000)
    await old(guarded, 2 * HOUR_MS, ServiceRestarted(subject="a"))
    for h, runs in ((REACT, True), (CHECK, True), (always, True), (soon, False)):
        reply = await guarded.admit(await guarded.read_one(h))
        assert isinstance(reply, Run if runs else Suppressed), h.group


@pytest.mark.usefixtures("clock")
async def test_what_was_begun_in_time_is_finished(guarded: GuardedCell) -> None:
    """Age is asked before the first attempt; a retry late at night is no new decision."""
    await guarded.deploy(REACT)
    await guarded.publish(FAILED)
    delivery = await guarded.read_one(REACT)
    await guarded.passes(HOUR_MS - 60_000)
    lease = await guarded.runs(delivery)
    await guarded.postpone(lease)
    await guarded.passes(3 * HOUR_MS)
    await guarded.runs(delivery)


# Hops, events, visits


async def chain(guarded: GuardedCell, hops: int) -> Sent:
    """Publish an event that is so many hops from its root."""
    failed = ServiceFailed(subject=f"hop-{hops}")
    envelope, data = replace(guarded.envelope(failed), hops=hops), failed.data_json()
    call = publish_call(guarded.keys, guarded.settings, envelope, data, failure=True)
    entry, *_ = await guarded.run(call)
    return Sent(envelope, entry.decode(), written=True)


async def test_a_long_chain_is_cut(guarded: GuardedCell) -> None:
    """An event as many hops away as is allowed is acted on, and the next one halts."""
    work = guarded.with_settings(max_hops=4)
    await work.deploy(REACT)
    await chain(work, 4)
    await work.commit(await work.runs(await work.read_one(REACT)))
    sent = await chain(work, 5)
    reply = await work.ends(await work.read_one(REACT))
    assert (reply.guard, reply.limit, reply.value, reply.verdict) == ("hops", 4, 5, "halted")
    assert (await work.summary(sent))["verdict"] == "halted"


async def test_a_recovery_with_too_many_events_is_halted(guarded: GuardedCell) -> None:
    """As many events as are allowed may be acted on; one more stops whatever would run next."""
    work = guarded.with_settings(max_events=3)
    await work.deploy(REACT, CHECK)
    sent = await work.publish(FAILED)
    lease = await work.runs(await work.read_one(REACT))
    await work.commit(lease, *[ServiceRestarted(subject=s) for s in "ab"])
    one, two = await work.read(CHECK)
    lease = await work.runs(one)
    await work.commit(lease, CacheWarmed(subject="a"))
    reply = await work.ends(two)
    assert (reply.guard, reply.limit, reply.value) == ("events", 3, 4)
    assert (await work.summary(sent))["verdict"] == "halted"


async def go_round(guarded: GuardedCell, times: int) -> Sent:
    """A restart that does not help: it is verified, and fails again."""
    await guarded.deploy(REACT, CHECK)
    sent = await guarded.publish(FAILED)
    for _ in range(times):
        for h, answer in ((REACT, ServiceRestarted), (CHECK, ServiceFailed)):
            lease = await guarded.runs(await guarded.read_one(h))
            await guarded.commit(lease, answer(subject="a"))
    return sent


async def test_a_loop_is_halted_and_named(guarded: GuardedCell) -> None:
    """The fourth visit is refused; the verdict, its event and people are told the loop."""
    sent = await go_round(guarded, 3)
    reply = await guarded.ends(await guarded.read_one(REACT))
    assert (reply.guard, reply.name) == ("visits", "orders.restart:a")
    assert (reply.limit, reply.value, reply.verdict) == (3, 4, "halted")
    turn = "service.failed a → orders.restart → service.restarted a → probe.check → "
    assert reply.path == turn * 3 + "service.failed a → orders.restart"
    record = await guarded.summary(sent)
    assert (record["status"], record["verdict"]) == ("closed", "halted")
    assert reply.path in record["halted"]
    (row,) = await guarded.ledger(sent, "halted")
    assert (row["guard"], row["path"]) == ("visits", reply.path)
    (closing,) = await guarded.closings(sent)
    assert closing[b"type"] == b"recovery.halted"
    assert reply.path in orjson.loads(closing[b"data"])["reason"]
    (told,) = await guarded.told()
    assert reply.path in orjson.loads(told["data"])["reason"]


async def test_only_first_attempts_are_visits(guarded: GuardedCell) -> None:
    """A retry, a delivery handed back and one taken over are the same visit."""
    await guarded.deploy(REACT)
    sent = await guarded.publish(FAILED)
    delivery = await guarded.read_one(REACT)
    for end in (guarded.postpone, guarded.release, None, guarded.postpone, guarded.release):
        lease = await guarded.runs(delivery, ALICE if end else BOB)
        if end:
            await end(lease)
    assert (await guarded.summary(sent))["visits:orders.restart|a"] == "1"


async def test_visits_are_counted_by_handler_subject_and_recovery(guarded: GuardedCell) -> None:
    """Others may still run, in the same recovery or about the same subject."""
    work = guarded.with_settings(max_visits=1)
    await work.deploy(REACT)
    sent = await work.publish(FAILED)
    await work.publish(ServiceFailed(subject="b"), correlation_id=sent.correlation_id)
    await work.publish(FAILED)
    await work.publish(FAILED, correlation_id=sent.correlation_id)
    replies = [(await work.ask(d))[0] for d in await work.read(REACT)]
    assert [isinstance(reply, Run) for reply in replies] == [True, True, True, False]


async def test_what_a_halt_finds_is_ended(guarded: GuardedCell) -> None:
    """What waits in a halted recovery ends without running, retries too; people hear of it once."""
    work = guarded.with_settings(max_visits=1)
    await work.deploy(REACT, PAGE)
    sent = await work.publish(FAILED)
    (first,), (page,) = await work.read(REACT), await work.read(PAGE)
    lease = await work.runs(page)
    await work.postpone(lease)
    await work.runs(first)
    await work.publish(FAILED, correlation_id=sent.correlation_id)
    again, other = await work.read_one(REACT), await work.read_one(PAGE)
    await work.ends(again)
    for d in (page, other):
        reply = await work.ends(d)
        assert (reply.guard, reply.told) == ("halt", False)
    assert (await work.summary(sent))["status"] == "open"  # the first still runs
    assert (await work.ends(first)).guard == "halt"  # its worker died, and another takes it up
    assert (await work.ledger(sent, "suppressed"))[0]["guard"] == "visits"
    assert (await work.summary(sent))["verdict"] == "halted"
    assert len(await work.told()) == 1


# Pauses


@pytest.mark.parametrize(
    ("scope", "holds"),
    [
        ("*", {"orders.restart a", "orders.restart b", "pager.page a", "pager.page b"}),
        ("service:orders", {"orders.restart a", "orders.restart b"}),
        ("subject:b", {"orders.restart b", "pager.page b"}),
        ("service:nobody", set[str]()),
    ],
)
async def test_a_pause_holds_what_it_names(
    guarded: GuardedCell, scope: str, holds: set[str]
) -> None:
    """Deliveries in its scope wait, the others run; when it ends all run, and none was lost."""
    await guarded.deploy(REACT, PAGE)
    await paused(guarded, scope)
    for subject in "ab":
        await guarded.fail(subject)
    held = {}
    for h in (REACT, PAGE):
        for d in await guarded.read(h):
            reply, _ = await guarded.ask(d)
            if isinstance(reply, OnHold):
                assert (reply.guard, reply.name, reply.fresh) == ("pause", scope, True)
                held[f"{h.group} {d.envelope.subject}"] = d
    assert set(held) == holds
    known = await guarded.hash(guarded.keys.held)
    assert set(known) == {d.name for d in held.values()}
    for d in held.values():
        again = await guarded.waits(d, BOB)
        assert not again.fresh
    await resumed(guarded, scope)
    for d in held.values():
        await guarded.runs(d)
    assert not await guarded.client.exists(guarded.keys.held)


async def test_people_are_told_through_a_pause(guarded: GuardedCell) -> None:
    """What handles recovery.escalated and recovery.halted runs while everything is paused."""
    alarm = handler(RecoveryEscalated, RecoveryHalted, name="pager.alarm")
    warm = handler(CacheWarmed, name="pager.warmed")
    await guarded.deploy(alarm, warm)
    await go_round(guarded, 3)
    await guarded.ends(await guarded.read_one(REACT))
    await paused(guarded, "*")
    await guarded.publish(CacheWarmed(subject="a"))
    await guarded.waits(await guarded.read_one(warm))
    alarms = await guarded.read(alarm)
    assert {d.label for d in alarms} == {"recovery.escalated", "recovery.halted"}
    for d in alarms:
        await guarded.runs(d)


async def test_a_halt_goes_before_a_pause(guarded: GuardedCell) -> None:
    """A halted recovery ends even where nothing may run: there is nothing left to wait for."""
    work = guarded.with_settings(max_visits=1)
    await work.deploy(REACT, PAGE)
    sent = await work.publish(FAILED)
    await work.publish(FAILED, correlation_id=sent.correlation_id)
    one, two = await work.read(REACT)
    lease = await work.runs(one)
    await work.commit(lease)
    await work.ends(two)
    await paused(work, "*")
    for d in await work.read(PAGE):
        reply = await work.ends(d)
        assert reply.guard == "halt"
    assert (await work.summary(sent))["verdict"] == "halted"

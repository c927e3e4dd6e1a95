"""What coalesce.lua promises: one recovery for one incident, and no race for it."""

from __future__ import annotations

import asyncio

from antiphon import Publisher
from antiphon.broker.replies import Closed, Run
from antiphon.settings import Settings
from antiphon_events import ServiceFailed, ServiceRestarted
from guarded import GuardedCell
from scripted import handler
from support import until

FAILED = ServiceFailed(subject="a")
REACT = handler(ServiceFailed, name="orders.react", max_age="off")
PAGE = handler(ServiceFailed, name="pager.page", max_age="off")
WARM = handler(ServiceRestarted, name="cache.warm")


async def test_failures_at_the_same_time_are_one_incident(
    guarded: GuardedCell, publishers: list[Publisher]
) -> None:
    """One opens the recovery, the others are counted there, however often each is published."""
    await guarded.deploy(REACT)
    calls = [(p, p.prepare(FAILED)) for p in publishers for _ in range(3)]
    publishing = (p.publish(FAILED, envelope=envelope) for p, envelope in calls * 2)
    receipts = await asyncio.gather(*publishing)
    (opened,) = {r.correlation_id for r in receipts}
    assert sum(not r.coalesced and not r.repeated for r in receipts) == 1
    assert sum(not r.coalesced for r in receipts) == 2  # the first, and its repetition
    counted = await guarded.rows("coalesced")
    assert len({row["event"] for _, row in counted}) == len(counted) == len(calls) - 1
    assert {row["source"] for _, row in counted} <= {f"probe-{n}" for n in range(8)}
    key = guarded.keys.recovery(opened)
    assert int(await guarded.client.hget(key, "coalesced")) == len(calls) - 1
    assert await guarded.client.xlen(guarded.keys.events("service.failed")) == 1


async def test_foreign_failures_join_at_first_sight(guarded: GuardedCell) -> None:
    """Entries of a bare XADD are counted once, whichever group sees them first, and let go."""
    await guarded.deploy(REACT, PAGE)
    sent = [await guarded.xadd(FAILED) for _ in range(6)]
    leases = []
    for h in (REACT, PAGE):
        deliveries = await guarded.read(h)
        met = await asyncio.gather(*(guarded.meet(d) for d in deliveries))
        leases += [lease for reply, lease in met if isinstance(reply, Run)]
        assert all(reply is None or isinstance(reply, Run | Closed) for reply, _ in met)
    assert {lease.delivery.envelope.correlation_id for lease in leases} == {sent[0].correlation_id}
    assert len(leases) == 2
    assert (await guarded.summary(sent[0]))["coalesced"] == "5"
    for lease in leases:
        await guarded.commit(lease)
    assert (await guarded.summary(sent[0]))["verdict"] == "completed"
    for h in (REACT, PAGE):
        pending = await guarded.client.xpending(guarded.keys.events("service.failed"), h.group)
        assert pending["pending"] == 0


async def test_other_subjects_and_types_are_other_incidents(
    guarded: GuardedCell, publishers: list[Publisher]
) -> None:
    """A failure joins a recovery of its own type and subject, and no other."""
    await guarded.deploy(REACT)
    receipts = [await publishers[0].publish(ServiceFailed(subject=s)) for s in ("a", "b", "a:b")]
    receipts.append(await publishers[0].publish(ServiceFailed(subject="a"), correlation_id="x"))
    assert len({r.correlation_id for r in receipts}) == 4
    assert not any(r.coalesced for r in receipts)


async def test_without_coalescing_each_failure_has_its_own_recovery(
    guarded: GuardedCell, settings: Settings
) -> None:
    """Where a deployment turns it off nothing joins, whoever asks first."""
    await guarded.deploy(REACT)
    apart = guarded.with_settings(coalesce=False)
    async with Publisher(apart.settings) as publisher:
        receipts = await asyncio.gather(*(publisher.publish(FAILED) for _ in range(6)))
    assert len({r.correlation_id for r in receipts}) == 6


async def test_nothing_is_lost_between_closing_and_joining(
    guarded: GuardedCell, publishers: list[Publisher]
) -> None:
    """While recoveries close and open, each failure has one place: it opened, joined, or began."""
    work = guarded.with_settings(hold="off", max_visits=1000, storm="off")
    await work.deploy(REACT, PAGE, WARM)
    ids: list[str] = []
    done, keys = 0, work.keys

    async def publish(p: Publisher, *, foreign: bool) -> None:
        nonlocal done
        for _ in range(10):
            if foreign:
                ids.append((await work.xadd(FAILED)).envelope.id)
            else:
                ids.append((await p.publish(FAILED)).event_id)
            await asyncio.sleep(0)
        done += 1

    async def consume(consumer: str) -> None:
        async def over() -> bool:
            all_sent, met = done == 6, False
            for h in (REACT, PAGE, WARM):
                for d in await work.read(h, consumer, count=1):
                    met = True
                    reply, lease = await work.meet(d, consumer)
                    if isinstance(reply, Run):
                        events = [ServiceRestarted(subject="a")] if h is REACT else []
                        await work.commit(lease, *events, by=consumer)
            return all_sent and not met and not await work.client.exists(keys.open_recoveries)

        await until(over)

    await asyncio.gather(
        *(publish(p, foreign=number % 3 == 0) for number, p in enumerate(publishers[:6])),
        *(consume(f"c{number}") for number in range(4)),
    )
    places = [
        row["event"]
        for _, row in await work.rows("published", "adopted", "coalesced")
        if row["type"] == "service.failed"
    ]
    assert sorted(places) == sorted(ids)
    for h in (REACT, PAGE):
        pending = await work.client.xpending(work.keys.events("service.failed"), h.group)
        assert pending["pending"] == 0


async def test_who_finds_the_recovery_over_opens_the_next(
    guarded: GuardedCell, publishers: list[Publisher]
) -> None:
    """Pointed to a recovery that closes before it can join, a failure has one of its own."""
    await guarded.deploy(REACT)
    first = await publishers[0].publish(FAILED)
    event = guarded.envelope(FAILED)
    place, answer, *_ = await guarded.run(guarded.publishing(FAILED, event))
    assert (place.decode(), answer) == (first.correlation_id, 2)
    await guarded.commit(await guarded.take(REACT))
    second = await publishers[1].publish(FAILED, envelope=event)
    assert (second.correlation_id, second.coalesced) == (event.id, False)
    third = await publishers[2].publish(FAILED)
    assert (third.correlation_id, third.coalesced) == (event.id, True)


async def test_an_incident_is_known_for_as_long_as_its_failures_come(
    guarded: GuardedCell, publishers: list[Publisher]
) -> None:
    """However long its recovery is open, each further failure keeps it from being forgotten."""
    await guarded.deploy(REACT)
    await publishers[0].publish(FAILED)
    incident = guarded.keys.incident(FAILED.type, FAILED.subject)[2]
    assert await guarded.client.pexpire(incident, 5000)
    assert (await publishers[1].publish(FAILED)).coalesced
    assert await guarded.client.pttl(incident) > 5000

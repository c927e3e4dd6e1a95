"""Guards in company: of replays, timeouts, listeners, alarms, names, storms one after another."""

from __future__ import annotations

import asyncio

import pybreaker

from antiphon import (
    Breaker,
    PermanentError,
    Publisher,
    Receipt,
    Recovery,
    Retry,
    Service,
    Settings,
)
from antiphon_events import (
    RecoveryEscalated,
    RecoveryFailed,
    ServiceFailed,
    ServiceRestarted,
    ServiceUnhealthy,
)
from program import antiphon
from support import until
from witness import Witness, changed, running

AT_ONCE = Retry(attempts=3, first="1ms", longest="1ms")


async def test_a_replay_is_not_given_up(settings: Settings, witness: Witness) -> None:
    """What a person delivers again runs, though the attempts that died have spent the budget."""
    api, broken, runs = Service("api", settings=settings), True, 0

    @api.on(ServiceFailed, budget="1/10m")
    async def restart(failed: ServiceFailed) -> None:
        nonlocal runs
        runs += 1
        if broken:
            raise PermanentError("wrong credentials")

    async with running(api):
        receipt = await api.publish(ServiceFailed(subject="api"))
        await witness.closed(receipt.correlation_id, verdict="failed")
        broken = False
        await antiphon(settings, "dead", "replay", "--all")
        await until(lambda: runs == 2)
        await witness.closed(receipt.correlation_id)
    assert await witness.dead_letters() == []


async def test_a_call_that_hangs_is_a_failure_of_its_target(
    settings: Settings, witness: Witness
) -> None:
    """A handler whose time is over within a guarded call has waited for a target that is down."""
    api, calls = Service("api", settings=settings), 0
    pay = Breaker("pay", fail_max=2, reset_timeout="1m")

    @api.on(ServiceFailed, timeout="1s", retry=AT_ONCE)
    async def refund(failed: ServiceFailed, recovery: Recovery) -> None:
        nonlocal calls
        async with recovery.breaker(pay):
            calls += 1
            await asyncio.sleep(30)

    async with running(api):
        receipt = await api.publish(ServiceFailed(subject="api"))
        held = await witness.told(receipt.correlation_id, "held")
    assert (held.text("guard"), held.text("name"), calls) == ("breaker", "pay", 2)


async def test_a_long_probe_remains_the_only_one(settings: Settings, witness: Witness) -> None:
    """A probe that takes longer than a lease is renewed, and its success closes the circuit."""
    settings = changed(settings, lease="300ms")
    api, down, inside, began = Service("api", settings=settings), True, 0, list[int]()
    pay = Breaker("pay", fail_max=1, reset_timeout="200ms")

    @api.on(ServiceFailed, retry=AT_ONCE)
    async def refund(failed: ServiceFailed, recovery: Recovery) -> None:
        nonlocal inside
        async with recovery.breaker(pay):
            if down:
                raise ConnectionError("no answer")
            inside += 1
            await asyncio.sleep(1)
            began.append(inside)  # those that went out while this one did
            inside -= 1

    async with running(api), Publisher(settings) as publisher:
        receipts = [await publisher.publish(ServiceFailed(subject="s0"))]
        await witness.told(receipts[0].correlation_id, "held")
        down = False
        receipts += [await publisher.publish(ServiceFailed(subject=f"s{n}")) for n in (1, 2)]
        key = witness.keys.guard("breaker", "pay")

        async def closed() -> bool:
            return not await witness.client.exists(key)

        await until(closed, 20)
        for receipt in receipts:
            await witness.closed(receipt.correlation_id)
    assert began[0] == 1, "the first to come back was the probe, and nobody else was out"


async def test_a_listener_has_no_say(settings: Settings, witness: Witness) -> None:
    """A call that succeeded is done once, whatever its listeners think of it."""

    class Board(pybreaker.CircuitBreakerListener):
        def success(self, cb: pybreaker.CircuitBreaker) -> None:  # noqa: ARG002
            raise RuntimeError("the board is down")

    api, charged = Service("api", settings=settings), list[str]()
    pay, own = Breaker("pay", listeners=[Board()]), Breaker("own", listeners=[Board()])

    @api.on(ServiceFailed, retry=AT_ONCE, breaker=own)
    async def refund(failed: ServiceFailed, recovery: Recovery) -> None:
        async with recovery.breaker(pay):
            charged.append(failed.subject)

    async with running(api):
        receipt = await api.publish(ServiceFailed(subject="api"))
        await witness.closed(receipt.correlation_id)
    assert charged == ["api"]


async def test_alarms_do_not_queue_behind_what_they_tell_of(
    settings: Settings, witness: Witness
) -> None:
    """The rate of the cell and of a service hold no handler of an escalation."""
    settings = changed(settings, rate="1/1h", storm="1/1m")
    api, told = Service("api", settings=settings, rate="1/1h"), list[str]()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    @api.on(RecoveryEscalated)
    async def page(escalated: RecoveryEscalated) -> None:
        told.append(escalated.guard)

    async with running(api), Publisher(settings) as publisher:
        for subject in ("a", "b"):
            await publisher.publish(ServiceFailed(subject=subject))
        await until(lambda: told)
    assert told == ["storm"]


async def test_a_resource_may_have_any_name(settings: Settings, witness: Witness) -> None:
    """The queue of one resource is never the lock of another."""
    api, done = Service("api", settings=settings), list[str]()

    async def act(event: ServiceFailed | ServiceUnhealthy) -> None:
        await asyncio.sleep(0.05)
        done.append(event.subject)

    api.on(ServiceFailed, exclusive=True)(act)

    @api.on(ServiceUnhealthy, exclusive=True)
    async def look(event: ServiceUnhealthy) -> None:
        await act(event)

    async with running(api), Publisher(settings) as publisher:
        receipts = [
            await publisher.publish(event)
            for subject in ("rabbit:queue", "rabbit", "queue:exclusive:rabbit")
            for event in (ServiceFailed(subject=subject), ServiceUnhealthy(subject=subject))
        ]
        for receipt in receipts:
            await witness.closed(receipt.correlation_id)
    assert len(done) == 6


async def test_news_that_is_suppressed_changes_no_closed_recovery(
    settings: Settings, witness: Witness
) -> None:
    """What guards the handlers of an end is no part of the recovery that ended."""
    api = Service("api", settings=settings)

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        raise PermanentError("it does not come up")

    @api.on(RecoveryFailed, budget="1/10m")
    async def page(failed: RecoveryFailed) -> None: ...

    async with running(api):
        for _ in range(2):
            receipt = await api.publish(ServiceFailed(subject="api"))
            await witness.closed(receipt.correlation_id, verdict="failed")
        await witness.told(receipt.correlation_id, "suppressed", group="api.page")
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert record.summary.suppressed == 0
    assert record.summary.reasons == ("api.restart: died after 1 attempts",)


async def test_who_resumes_one_subject_has_looked_at_it(
    settings: Settings, witness: Witness
) -> None:
    """What the pause of a subject held runs at any age, once somebody resumes it by name."""
    api, runs = Service("api", settings=settings), list[str]()

    @api.on(ServiceFailed, max_age="300ms")
    async def restart(failed: ServiceFailed) -> None:
        runs.append(failed.subject)

    await antiphon(settings, "pause", "--subject", "api")
    async with running(api):
        receipt = await api.publish(ServiceFailed(subject="api"))
        await witness.told(receipt.correlation_id, "held", guard="pause")
        await asyncio.sleep(0.4)
        await antiphon(settings, "resume", "--subject", "api")
        await witness.closed(receipt.correlation_id)
    assert runs == ["api"]


async def test_a_recovery_is_parked_by_its_own_storm_only(
    settings: Settings, witness: Witness
) -> None:
    """What a person released from one storm goes on through the next."""
    settings = changed(settings, storm="1/1m")
    api, going = Service("api", settings=settings), asyncio.Event()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        await going.wait()
        return ServiceRestarted(subject=failed.subject)

    @api.on(ServiceRestarted)
    async def look(restarted: ServiceRestarted) -> None: ...

    async with running(api), Publisher(settings) as publisher:

        async def one_more_than_a_storm_allows(first: str, second: str) -> Receipt:
            # Two that are read together may be admitted in either order.
            begun = await publisher.publish(ServiceFailed(subject=first))
            await witness.told(begun.correlation_id, "started")
            parked = await publisher.publish(ServiceFailed(subject=second))
            await witness.told(parked.correlation_id, "held", guard="storm")
            return parked

        parked = await one_more_than_a_storm_allows("a", "b")
        await antiphon(settings, "resume", "--storm")
        await witness.told(parked.correlation_id, "started", group="api.restart")
        await one_more_than_a_storm_allows("c", "d")
        going.set()
        await witness.closed(parked.correlation_id)

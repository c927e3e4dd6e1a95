"""The guards at work: what a service owner asks for is what happens."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from antiphon import Breaker, Budget, PermanentError, Publisher, Recovery, Retry, Service, Settings
from antiphon_events import (
    RecoveryEscalated,
    ServiceFailed,
    ServiceRestarted,
)
from support import until
from witness import Witness, rows, running

AT_ONCE = Retry(attempts=5, first="1ms", longest="1ms")


async def test_a_thousand_identical_failures_are_one_recovery(
    settings: Settings, witness: Witness
) -> None:
    """While a recovery is open, further failures of its type and subject are counted in it."""
    api, going, runs = Service("api", settings=settings), asyncio.Event(), []

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        runs.append(failed)
        await going.wait()
        return ServiceRestarted(subject=failed.subject)

    async with running(api), Publisher(settings) as one, Publisher(settings) as two:
        receipts = await asyncio.gather(
            *(p.publish(ServiceFailed(subject="api")) for p in (one, two) for _ in range(50))
        )
        going.set()
        [correlation_id] = {receipt.correlation_id for receipt in receipts}
        record = await witness.closed(correlation_id)
    assert len(runs) == 1
    assert sum(receipt.coalesced for receipt in receipts) == 99
    assert record.summary.coalesced == 99


async def test_foreign_duplicates_join_the_open_recovery(
    settings: Settings, witness: Witness
) -> None:
    """A failure written by a bare XADD joins as well, however many handlers see it."""
    api, going, runs = Service("api", settings=settings), asyncio.Event(), []

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        runs.append(failed)
        await going.wait()

    @api.on(ServiceFailed)
    async def note(failed: ServiceFailed) -> None: ...

    async with running(api), Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="api"))
        for _ in range(5):
            await witness.xadd("service.failed", {"subject": "api"})

        async def counted() -> bool:
            record = await witness.record(receipt.correlation_id)
            return record is not None and record.summary.coalesced == 5

        await until(counted)
        going.set()
        await witness.closed(receipt.correlation_id)
    assert len(runs) == 1


async def test_a_spent_budget_escalates_once(settings: Settings, witness: Witness) -> None:
    """The fourth restart within the window does not happen; people are told once, not each time."""
    api, told, runs = Service("api", settings=settings), list[RecoveryEscalated](), 0

    @api.on(ServiceFailed, budget=Budget(3, per="10m"))
    async def restart(failed: ServiceFailed) -> None:
        nonlocal runs
        runs += 1
        raise PermanentError("it does not come up")

    @api.on(RecoveryEscalated)
    async def tell(escalated: RecoveryEscalated) -> None:
        told.append(escalated)

    async with running(api):
        for number in range(6):
            receipt = await api.publish(ServiceFailed(subject="api"))
            record = await witness.closed(receipt.correlation_id, verdict="failed")
            assert len(rows(record, "suppressed")) == (number >= 3)
        await until(lambda: bool(told))
    assert runs == 3
    [escalated] = told
    assert (escalated.guard, escalated.name, escalated.limit) == ("budget", "restart:api", 3)
    assert len(escalated.tried) == 3


async def test_a_relapse_puts_the_subject_into_human_hands(
    settings: Settings, witness: Witness
) -> None:
    """Restarts that succeed and do not hold are cut, though no step ever failed."""
    api, told, runs = Service("api", settings=settings), list[RecoveryEscalated](), 0

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        nonlocal runs
        runs += 1
        return ServiceRestarted(subject=failed.subject)

    @api.on(RecoveryEscalated)
    async def tell(escalated: RecoveryEscalated) -> None:
        told.append(escalated)

    async with running(api):
        seen = []
        for _ in range(3):
            receipt = await api.publish(ServiceFailed(subject="api"))
            seen.append(await witness.closed(receipt.correlation_id))
        last = await api.publish(ServiceFailed(subject="api"))
        await until(lambda: bool(told))
        again = await api.publish(ServiceFailed(subject="api"))
        record = await witness.record(last.correlation_id)
    assert runs == 3
    assert [r.summary.relapse_of for r in seen[1:]] == [r.summary.correlation_id for r in seen[:-1]]
    assert again.correlation_id == last.correlation_id
    assert record is not None
    assert record.summary.status == "open"
    assert [e.guard for e in told] == ["relapse"]


async def test_a_loop_is_halted_and_named(settings: Settings, witness: Witness) -> None:
    """A breaks B and B breaks A: the recovery is halted, and the path shows the loop."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed.about("a"))
    async def restart_a(failed: ServiceFailed) -> ServiceFailed:
        return ServiceFailed(subject="b")

    @ops.on(ServiceFailed.about("b"))
    async def restart_b(failed: ServiceFailed) -> ServiceFailed:
        return ServiceFailed(subject="a")

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="a"))
        record = await witness.closed(receipt.correlation_id, verdict="halted")
        again = await ops.publish(ServiceFailed(subject="a"))
        second = await witness.closed(again.correlation_id, verdict="halted")
    assert second.summary.relapse_of == receipt.correlation_id, "what was halted did not hold"
    [halted] = rows(record, "halted")
    assert halted.text("guard") == "visits"
    assert "service.failed a → ops.restart_a → service.failed b → ops.restart_b" in halted.text(
        "path"
    )
    assert len(await witness.entries("recovery.halted")) == 2
    assert len(await witness.entries("recovery.escalated")) == 2


async def test_a_rate_defers_without_spending_attempts(
    settings: Settings, witness: Witness
) -> None:
    """What is beyond the rate runs later, as its first attempt, and nothing is lost."""
    api, attempts, at = Service("api", settings=settings), list[int](), list[datetime]()

    @api.on(ServiceFailed, rate="3/500ms")
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        attempts.append(recovery.attempt)
        at.append(datetime.now(UTC))

    async with running(api):
        receipts = [await api.publish(ServiceFailed(subject=f"s{i}")) for i in range(8)]
        for receipt in receipts:
            await witness.closed(receipt.correlation_id)
    assert attempts == [1] * 8
    assert (at[-1] - at[0]).total_seconds() > 0.95


async def test_an_open_breaker_holds_and_never_buries(settings: Settings, witness: Witness) -> None:
    """While the target is down nothing dies of it; the probe finds it well, and all goes on."""
    api, down, runs = Service("api", settings=settings), True, 0
    breaker = Breaker("orders-db", fail_max=2, reset_timeout="400ms")

    @api.on(ServiceFailed, breaker=breaker, retry=AT_ONCE)
    async def restart(failed: ServiceFailed) -> None:
        nonlocal runs
        runs += 1
        if down:
            raise ConnectionError("no answer")

    async with running(api):
        receipts = [await api.publish(ServiceFailed(subject=f"s{i}")) for i in range(5)]

        async def opened() -> bool:
            state: bytes | None = await witness.client.hget(
                witness.keys.guard("breaker", "orders-db"), "state"
            )
            return state == b"open"

        await until(opened)
        down = False
        for receipt in receipts:
            record = await witness.closed(receipt.correlation_id)
            assert record.summary.dead == 0


async def test_a_breaker_around_a_call_holds_the_delivery(
    settings: Settings, witness: Witness
) -> None:
    """A handler that meets an open circuit is tried again when a probe may go, for free."""
    api, down, attempts = Service("api", settings=settings), True, list[int]()
    payments = Breaker("payments", fail_max=1, reset_timeout="300ms")

    @api.on(ServiceFailed, retry=AT_ONCE)
    async def refund(failed: ServiceFailed, recovery: Recovery) -> None:
        async with recovery.breaker(payments):
            attempts.append(recovery.attempt)
            if down:
                raise ConnectionError("no answer")

    async with running(api):
        receipt = await api.publish(ServiceFailed(subject="api"))

        async def held() -> bool:
            record = await witness.record(receipt.correlation_id)
            return record is not None and bool(rows(record, "held"))

        await until(held)
        down = False
        record = await witness.closed(receipt.correlation_id)
    assert attempts == [1, 2]
    assert record.summary.dead == 0


async def test_a_resource_is_held_by_one_at_a_time(settings: Settings, witness: Witness) -> None:
    """Two services that act on one subject take turns, in the order they came."""
    one, two, inside, most = (
        Service("one", settings=settings),
        Service("two", settings=settings),
        0,
        0,
    )
    tokens = list[int]()

    async def work(failed: ServiceFailed, recovery: Recovery) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        tokens.append(recovery.token)
        await asyncio.sleep(0.05)
        inside -= 1

    for service in (one, two):

        @service.on(ServiceFailed, exclusive="host")
        async def act(failed: ServiceFailed, recovery: Recovery) -> None:
            await work(failed, recovery)

    async with running(one), running(two):
        receipts = [await one.publish(ServiceFailed(subject=f"s{i}")) for i in range(4)]
        for receipt in receipts:
            await witness.closed(receipt.correlation_id)
    assert most == 1
    assert len(tokens) == 8
    assert tokens == sorted(tokens)


async def test_a_stale_failure_is_not_acted_on(settings: Settings, witness: Witness) -> None:
    """What failed hours ago, while the worker was down, is given to people instead."""
    api, runs = Service("api", settings=settings), 0

    @api.on(ServiceFailed, max_age="50ms")
    async def restart(failed: ServiceFailed) -> None:
        nonlocal runs
        runs += 1

    async with running(api):  # known to the cell, then away
        pass
    receipt = await api.publish(ServiceFailed(subject="api"))
    await asyncio.sleep(0.1)
    again = Service("api", settings=settings)
    again.on(ServiceFailed, max_age="50ms")(restart)
    async with running(again):
        record = await witness.closed(receipt.correlation_id, verdict="failed")
    assert runs == 0
    assert [row.text("guard") for row in rows(record, "suppressed")] == ["staleness"]
    assert len(rows(record, "escalated")) == 1

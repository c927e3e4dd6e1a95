"""The flow of a recovery: what is put off, what is waited for, and for how long."""

from __future__ import annotations

import asyncio

from antiphon import Joined, PermanentError, Recovery, Retry, Service, Settings, all_of, any_of
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    JoinTimedOut,
    RecoveryEscalated,
    ServiceDegraded,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
)
from witness import Witness, rows, running

ONCE = Retry(attempts=1)


async def test_a_delayed_event_holds_the_recovery_open(
    settings: Settings, witness: Witness
) -> None:
    """An event put off is published at its time, and the recovery waits for it."""
    shop, seen = Service("shop", settings=settings), list[str]()

    @shop.on(ServiceFailed)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        recovery.publish(ServiceRestarted(subject="api", pid=7), after="600ms")

    @shop.on(ServiceRestarted)
    async def check(restarted: ServiceRestarted) -> None:
        seen.append(str(restarted.pid))

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="api"))
        row = await witness.told(receipt.correlation_id, "scheduled")
        record = await witness.record(receipt.correlation_id)
        assert record is not None
        assert record.summary.status == "open"
        assert record.outstanding == (f"later|{row.text('event')}|service.restarted",)
        record = await witness.closed(receipt.correlation_id)

    assert seen == ["7"]
    [published] = rows(record, "published", type="service.restarted")
    assert published.text("by") == "shop.restart"
    assert published.at >= (row.instant("due") or published.at)


async def test_a_join_that_times_out_names_what_is_missing(
    settings: Settings, witness: Witness
) -> None:
    """The branches that did not come are named, others react to it, and a late one is refused."""
    shop, told = Service("shop", settings=settings), list[JoinTimedOut]()
    late = asyncio.Event()

    @shop.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="db")

    @shop.on(ServiceFailed)
    async def warm(failed: ServiceFailed) -> CacheWarmed:
        await late.wait()
        return CacheWarmed(subject="cache")

    @shop.on(all_of(DatabaseRestored, CacheWarmed.about("cache")), within="300ms")
    async def reopen(joined: Joined) -> ServiceRestarted:
        raise AssertionError(joined)

    @shop.on(JoinTimedOut)
    async def give_up(out: JoinTimedOut) -> None:
        told.append(out)
        late.set()

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="shop"))
        record = await witness.closed(receipt.correlation_id, verdict="partial")

    [out] = told
    assert (out.step, out.needed) == ("shop.reopen", 2)
    assert (out.arrived, out.missing) == (["database.restored@*"], ["cache.warmed@cache"])
    assert out.subject == "shop"
    assert rows(record, "timed_out", group="shop.reopen")
    assert rows(record, "late", group="shop.reopen")
    assert any("1 of 2 branches" in reason for reason in record.summary.reasons)


async def test_a_join_in_time_does_not_time_out(settings: Settings, witness: Witness) -> None:
    """A join that gets all it needs lets go of its timer."""
    shop = Service("shop", settings=settings)

    @shop.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> list[DatabaseRestored | CacheWarmed]:
        return [DatabaseRestored(subject="db"), CacheWarmed(subject="cache")]

    @shop.on(all_of(DatabaseRestored, CacheWarmed), within="1h")
    async def reopen(joined: Joined) -> ServiceRestarted:
        return ServiceRestarted(subject="api")

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="shop"))
        record = await witness.closed(receipt.correlation_id)
    assert not rows(record, "timed_out")
    assert not await witness.client.exists(witness.keys.timers)


async def test_the_winner_is_named_and_losers_are_not_begun_again(
    settings: Settings, witness: Witness
) -> None:
    """With ``losers="cancel"`` a step that would bring a losing branch is not tried again."""
    shop, won, tries = Service("shop", settings=settings), list[str](), list[int]()
    tried = asyncio.Event()

    @shop.on(DatabaseFailed, retry=Retry(attempts=5, first="30s", longest="30s"))
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
        tries.append(recovery.attempt)
        tried.set()
        raise ConnectionError("the backup is away")

    @shop.on(DatabaseFailed)
    async def promote(failed: DatabaseFailed, recovery: Recovery) -> ServiceRecovered:
        await tried.wait()
        await witness.told(recovery.correlation_id, "retried", group="shop.restore")
        return ServiceRecovered(subject="db")

    @shop.on(any_of(DatabaseRestored, ServiceRecovered, losers="cancel"))
    async def reopen(joined: Joined) -> None:
        won.append(joined.winner.type)

    async with running(shop):
        receipt = await shop.publish(DatabaseFailed(subject="db"))
        record = await witness.closed(receipt.correlation_id)

    assert won == ["service.recovered"]
    assert tries == [1]
    assert rows(record, "won", branch="service.recovered@*", losers="cancel")
    assert rows(record, "outrun", group="shop.restore", by="shop.reopen")


async def test_a_deadline_names_what_is_outstanding(settings: Settings, witness: Witness) -> None:
    """Past its deadline a recovery is said to be stalled, people are told, and it goes on."""
    strict = Settings(redis_url=settings.redis_url, cell=settings.cell, deadline="300ms")
    shop, may, told = Service("shop", settings=strict), asyncio.Event(), list[str]()

    @shop.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        await may.wait()
        return ServiceRestarted(subject="api")

    @shop.on(RecoveryEscalated)
    async def tell(escalated: RecoveryEscalated) -> None:
        told.append(escalated.guard)
        may.set()

    async with running(shop):
        receipt = await shop.publish(ServiceFailed(subject="api"))
        await witness.closed(receipt.correlation_id)
    [stalled] = await witness.entries("recovery.stalled")
    assert f"service.failed|{receipt.entry_id}|shop.restart" in stalled["data"]
    assert told == ["deadline"]


async def test_a_child_recovery_is_waited_for(settings: Settings, witness: Witness) -> None:
    """A handler starts a recovery of its own and hears its verdict; the two are linked."""
    shop, heard, ids = Service("shop", settings=settings), list[ChildClosed](), list[str]()

    @shop.on(ServiceDegraded)
    async def part(degraded: ServiceDegraded, recovery: Recovery) -> None:
        ids.append(recovery.start(DatabaseFailed(subject="db")))
        ids.append(recovery.start(CacheLost(subject="cache")))

    @shop.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        await asyncio.sleep(0.1)
        return DatabaseRestored(subject="db")

    @shop.on(CacheLost, retry=ONCE)
    async def warm(lost: CacheLost) -> CacheWarmed:
        raise PermanentError("no room")

    @shop.on(all_of(ChildClosed.about("db"), ChildClosed.about("cache")))
    async def reopen(joined: Joined) -> ServiceRecovered:
        heard.extend(joined.of(ChildClosed))
        return ServiceRecovered(subject="shop")

    async with running(shop):
        receipt = await shop.publish(ServiceDegraded(subject="shop"))
        record = await witness.closed(receipt.correlation_id)
        child = await witness.closed(ids[0])
        await witness.closed(ids[1], verdict="failed")

    assert [(c.child, c.verdict) for c in heard] == [(ids[0], "completed"), (ids[1], "failed")]
    assert rows(child, "opened")[0].text("parent") == receipt.correlation_id
    assert {row.text("child") for row in rows(record, "child")} == set(ids)

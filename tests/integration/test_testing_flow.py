"""The test kit and the flow: time, what is put off or undone, and what is expected of it."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from antiphon import (
    Approval,
    ConfigurationError,
    Joined,
    PermanentError,
    Recovery,
    Retry,
    Service,
    Settings,
    TransientError,
    all_of,
)
from antiphon.testing import Cell, Unmet, duplicated, expect, unreliable
from antiphon.testing.hurry import LONGEST_DELAY, Pace
from antiphon.testing.twin import Twin
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseRestored,
    JoinTimedOut,
    RecoveryStalled,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
)

pytestmark = pytest.mark.usefixtures("shared_server")

FAILED = ServiceFailed(subject="api")
ONCE = Retry(attempts=1)


# Time.


async def test_what_is_put_off_comes_at_once_in_a_hurry(kit: Cell) -> None:
    """In the order of the delays; what undoes a step is hurried like the step."""
    api, tries = Service("api"), list[int]()

    def close(failed: ServiceFailed, recovery: Recovery) -> None:
        tries.append(recovery.attempt)
        if recovery.attempt == 1:
            raise TransientError("the lock is held", retry_after=timedelta(hours=1))

    @api.on(ServiceFailed, undo=close)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        recovery.publish(CacheWarmed(subject="late"), after="2h")
        recovery.publish(ServiceRestarted(subject="early"), after="5m")
        recovery.publish(ServiceRecovered(subject="early"), after="5m")

    @api.on(CacheWarmed, retry=ONCE)
    async def serve(warmed: CacheWarmed) -> None:
        raise PermanentError("nothing to serve")

    started = time.monotonic()
    async with kit.running(api):
        trace = await kit.settled(await kit.publish(FAILED))
    assert time.monotonic() - started < 8
    assert [event.subject for event in trace.events if event.subject != "api"] == [
        "early",
        "early",
        "late",
    ]
    assert tries == [1, 2]


async def test_time_passes_a_thousand_times_as_fast(redis_url: str) -> None:
    """Delays, joins that wait, approvals that wait, and deadlines, each in its proportion."""
    api = Service("api")
    deadlines = {"service.failed": {"deadline": "20m"}, "cache.lost": {"deadline": "off"}}

    @api.on(ServiceFailed, approval=Approval(("ana",), within="5m", otherwise="proceed"))
    async def restart(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted:
        recovery.publish(DatabaseRestored(subject="db"), after="1h")
        return ServiceRestarted(subject="api")

    @api.on(all_of(ServiceRestarted, DatabaseRestored), within="10m")
    async def reopen(joined: Joined) -> ServiceRecovered:
        return ServiceRecovered(subject="web")

    @api.on(JoinTimedOut)
    async def page(late: JoinTimedOut) -> None: ...

    @api.on(RecoveryStalled)
    async def note(stalled: RecoveryStalled) -> None: ...

    async with (
        Cell.open(redis_url, hurry=1000, recoveries=deadlines, deadline="1h") as cell,
        cell.running(api),
    ):
        assert cell.settings.deadline == timedelta(seconds=3.6)
        terms = cell.settings.recoveries
        assert terms["service.failed"].deadline == timedelta(seconds=1.2)
        assert terms["cache.lost"].deadline is None
        assert "deadline" in terms["cache.lost"].model_fields_set
        receipt = await cell.publish(FAILED)
        trace = await cell.settled(receipt, within="20s")
    expect(trace).ran("api.restart", times=1).published(DatabaseRestored)
    expect(trace).published(JoinTimedOut).did_not_run("api.reopen").ran("api.page")
    expect(trace).published(RecoveryStalled)


async def test_limits_stand_in_a_plain_hurry() -> None:
    """A shorter one could end what was well, so it takes a number to hurry them."""
    api = Service("api")

    @api.on(
        all_of(ServiceFailed, CacheLost),
        within="10m",
        approval=Approval(("ana",), then=(("ben",),), quorum=2, within="5m", otherwise="deny"),
        retry=Retry(attempts=4, first="1s", longest="1m"),
    )
    async def restart(joined: Joined) -> None: ...

    @api.on(ServiceFailed, approval=Approval(within=None))
    async def reload(failed: ServiceFailed) -> None: ...

    def at(hurry: float) -> Service:
        return Twin(api, change=Pace(hurry).handler)

    assert at(hurry=False).handlers == api.handlers
    plain, fast = at(hurry=True).handlers[0], at(1000).handlers[0]
    assert (plain.retry.attempts, plain.retry.first, plain.retry.longest) == (
        4,
        LONGEST_DELAY,
        LONGEST_DELAY,
    )
    assert plain.course == api.handlers[0].course
    assert (fast.retry.first, fast.retry.longest) == (
        timedelta(milliseconds=1),
        timedelta(milliseconds=60),
    )
    assert fast.course.within == timedelta(milliseconds=600)
    assert fast.course.approval == Approval(
        ("ana",), then=(("ben",),), quorum=2, within="300ms", otherwise="deny"
    )
    endless = at(1000).handlers[1].course.approval
    assert endless is not None
    assert endless.within is None
    settings = Settings(deadline="1h")
    assert Pace(hurry=True).settings(settings) is settings


@pytest.mark.parametrize("hurry", [0, 0.5, -1, float("nan"), float("inf")])
async def test_a_hurry_is_a_hurry(redis_url: str, hurry: float) -> None:
    """Time passes at least as fast as it does, and does not stop."""
    with pytest.raises(ConfigurationError, match="use True, or how many times as fast"):
        await Cell.open(redis_url, hurry=hurry).__aenter__()


# Twice, and at random.


async def test_what_is_put_off_and_started_is_so_once(kit: Cell) -> None:
    """A handler that runs twice puts off and starts what its second run did."""
    api, children = Service("api"), list[str]()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        recovery.publish(CacheWarmed(subject="cache"), after="1m")
        children.append(recovery.start(CacheLost(subject="cache")))

    @api.on(CacheLost, ChildClosed)
    async def note(event: CacheLost | ChildClosed) -> None: ...

    async with kit.running(duplicated(api)):
        receipt = await kit.publish(FAILED)
        trace = await kit.settled(receipt)
        expect(await kit.settled(children[1])).completed()
    expect(trace).completed().published(CacheWarmed, times=1).published(ChildClosed, times=1)


async def test_a_run_that_puts_off_something_else_is_caught(kit: Cell) -> None:
    """As one that publishes something else."""
    api, seen = Service("api"), list[int]()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        seen.append(1)
        recovery.publish(CacheWarmed(subject="cache", entries=len(seen)), after="1m")

    async with kit.running(duplicated(api)):
        trace = await kit.settled(await kit.publish(FAILED))
    expect(trace).failed().died("api.restart", because="NotIdempotent").died(
        "api.restart", because="entries=2"
    )


async def test_what_undoes_a_step_is_made_hard_as_well(kit: Cell) -> None:
    """It runs twice, it fails at random, and it sees what the step had published."""
    api, undone = Service("api"), list[list[str]]()

    def take_back(failed: ServiceFailed, recovery: Recovery) -> None:
        assert recovery.undoing is not None
        undone.append([event.type for event in recovery.undoing])

    @api.on(ServiceFailed, undo=take_back)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    @api.on(ServiceRestarted, retry=ONCE)
    async def look(restarted: ServiceRestarted) -> None:
        raise PermanentError("it is worse than before")

    async with kit.running(duplicated(api)):
        trace = await kit.settled(await kit.publish(FAILED))
    assert undone == [["service.restarted"]] * 2
    undone.clear()
    async with kit.running(unreliable(api, chance=0.9, seed=7)):
        await kit.settled(await kit.publish(ServiceFailed(subject="web")))
    assert len(undone) > 1
    assert trace.status == "closed"


# What is expected.


async def test_an_end_by_hand_and_what_it_takes_back_is_expected(kit: Cell) -> None:
    """A step is undone, which is no run of it."""
    api = Service("api")

    def stop(failed: ServiceFailed) -> None: ...

    @api.on(ServiceFailed, undo=stop)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    @api.on(ServiceRestarted, approval=Approval(("ana",)))
    async def reopen(restarted: ServiceRestarted) -> None: ...

    async with kit.running(api):
        receipt = await kit.publish(FAILED)
        trace = await kit.until(receipt, lambda it: it.held_by("approval"))
        for words, check in {
            "the recovery to be rolled back; nothing was to be undone": expect(trace).rolled_back,
            "the recovery to pass its deadline; it did not": expect(trace).stalled,
            "the recovery to be cancelled; it is open": expect(trace).cancelled,
        }.items():
            with pytest.raises(Unmet, match=words):
                check()
        with pytest.raises(Unmet, match=r"api\.restart to be undone; it never was undone"):
            expect(trace).undone("api.restart")
        await kit.cancel(receipt, by="ana", reason="a drill")
        trace = await kit.settled(receipt)
    expect(trace).cancelled().rolled_back().undone("api.restart").ran("api.restart", times=1)


async def test_what_cannot_be_taken_back_is_not_rolled_back(kit: Cell) -> None:
    """A person has to look."""
    api = Service("api")

    def stop(failed: ServiceFailed) -> None:
        raise PermanentError("it does not stop")

    @api.on(ServiceFailed, undo=stop)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    @api.on(ServiceRestarted, retry=ONCE)
    async def reopen(restarted: ServiceRestarted) -> None:
        raise PermanentError("it does not open")

    async with kit.running(api):
        trace = await kit.settled(await kit.publish(FAILED))
    expect(trace).partial().died("api.reopen")
    with pytest.raises(Unmet, match="undone: 0, left: 0, not possible: 1"):
        expect(trace).rolled_back()
    with pytest.raises(Unmet, match=r"api\.restart to be undone; it never was undone"):
        expect(trace).undone("api.restart")


async def test_a_join_that_gave_up_is_expected(redis_url: str) -> None:
    """And a recovery past its deadline."""
    api = Service("api")

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    @api.on(all_of(ServiceRestarted, CacheWarmed), within="5m")
    async def reopen(joined: Joined) -> None: ...

    async with Cell.open(redis_url, hurry=1000, deadline="1m") as cell, cell.running(api):
        trace = await cell.settled(await cell.publish(FAILED))
    expect(trace).timed_out("api.reopen").stalled().did_not_run("api.reopen")
    with pytest.raises(Unmet, match=r"api\.restart to give up waiting; .* api\.reopen"):
        expect(trace).timed_out("api.restart")

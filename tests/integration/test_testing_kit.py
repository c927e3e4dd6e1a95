"""The kit for the authors of handlers: a cell for each test, and what is expected of a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from antiphon import (
    Breaker,
    Budget,
    ConfigurationError,
    Joined,
    Recovery,
    Retry,
    Service,
    TransientError,
    all_of,
)
from antiphon.broker.local import answers
from antiphon.testing import Cell, Unmet, duplicated, expect, temporary_server, unreliable
from antiphon.testing.twin import Twin
from antiphon.trace import StepOutcome, Trace
from antiphon_events import CacheWarmed, RecoveryCompleted, ServiceFailed, ServiceRestarted
from leaks import keys_of
from rehearsed import NOWHERE, failed

pytestmark = pytest.mark.usefixtures("shared_server")


@pytest.fixture
def api() -> Service:
    """A service as a module defines it: with settings of its own, and one plain handler."""
    service = Service("api", settings=NOWHERE)

    @service.on(ServiceFailed, retry=Retry(attempts=3))
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    return service


async def test_a_service_runs_in_the_cell_and_stays_as_it_was(kit: Cell, api: Service) -> None:
    """Whatever server it was made for, its handlers run here, and nothing of it is changed."""
    before = dict(vars(api)), api.handlers
    trace = await failed(kit, duplicated(unreliable(api)))
    assert (dict(vars(api)), api.handlers) == before
    expect(trace).completed().closed().ran("api.restart").published(
        ServiceRestarted, subject="api", times=1
    ).did_not_run("web.reopen").did_not_publish(ServiceRestarted, subject="web")


async def test_handlers_keep_every_option(api: Service) -> None:
    """A twin has the handlers of the original, guards and all."""
    ops = Service("ops", settings=NOWHERE, rate="100/1m")

    @ops.on(
        all_of(CacheWarmed.about("cache"), ServiceRestarted.about("api")),
        timeout="7s",
        key="{subject}",
        concurrency=3,
        budget=Budget(3, per="1m", action="reopen"),
        rate="30/1m",
        breaker=Breaker("web"),
        exclusive="host",
        max_age="off",
        max_visits=2,
    )
    def reopen(both: Joined) -> None:
        """Open."""

    twin = Twin(ops)
    assert twin.handlers == ops.handlers
    assert twin.settings is NOWHERE


async def test_a_service_named_twice_has_two_replicas(kit: Cell, api: Service) -> None:
    """Two workers share the deliveries."""
    async with kit.running(api, api):
        receipts = [await kit.publish(ServiceFailed(subject=f"api-{n}")) for n in range(20)]
        traces = [await kit.settled(receipt) for receipt in receipts]
    assert len({step.attempts[0].consumer for trace in traces for step in trace.steps}) == 2


async def test_a_wait_that_is_over_says_what_the_recovery_waits_for(kit: Cell) -> None:
    """The error names the step that has not ended, and shows the whole picture."""
    api, seen = Service("api"), asyncio.Event()

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        await seen.wait()

    async with kit.running(api):
        receipt = await kit.publish(ServiceFailed(subject="api"))
        await kit.until(receipt, lambda it: it.ran("api.restart"))
        with pytest.raises(Unmet) as unmet:
            await kit.settled(receipt, within="50ms")
        seen.set()
        await kit.settled(receipt.correlation_id)
    first, *picture = str(unmet.value).splitlines()
    assert first.startswith("not within 50ms: expected the recovery to be closed; it is open, and")
    assert "waits for this: api.restart has had service.failed for" in first
    assert f"Recovery {receipt.correlation_id}: OPEN" in picture
    assert any("└─api.restart" in line and "running" in line for line in picture)


async def test_a_failure_nobody_listens_to_is_named(kit: Cell, api: Service) -> None:
    """A wrong subject in a test does not end in a riddle."""
    receipt = await kit.publish(ServiceFailed(subject="api"))
    with pytest.raises(Unmet, match=r"no handler is subscribed to service\.failed about api"):
        await kit.settled(receipt, within="10ms")


async def test_a_recovery_that_is_not_there_is_named(kit: Cell) -> None:
    """An id of nowhere is a mistake of the test, whether it waits or looks."""
    for look in (kit.trace("nobody"), kit.settled("nobody", within="10ms")):
        with pytest.raises(LookupError, match="no recovery 'nobody' is recorded in this cell"):
            await look


async def test_what_is_expected_and_not_so_shows_the_trace(kit: Cell, api: Service) -> None:
    """Each sentence that is not met says what was wanted and what was seen, above the picture."""
    trace = await failed(kit, api)
    it = expect(trace)
    wrong: dict[str, Callable[[], object]] = {
        "the recovery to be failed; it is completed": it.failed,
        "the recovery to be partial; it is completed": it.partial,
        "the recovery to be halted; it is completed": it.halted,
        "the recovery to be cancelled; it is completed": it.cancelled,
        "api.restart to be undone; it never was undone": lambda: it.undone("api.restart"),
        "api.restart to run 2 times; it ran once": lambda: it.ran("api.restart", times=2),
        "api.restart not to run; it ran once": lambda: it.did_not_run("api.restart"),
        "web.reopen to run; it never ran": lambda: it.ran("web.reopen"),
        "api.restart to die; its deliveries: completed": lambda: it.died("api.restart"),
        "cache.warmed to be published; it never was published": lambda: it.published(CacheWarmed),
        "service.restarted about api not to be published; it was published once": lambda: (
            it.did_not_publish(ServiceRestarted, subject="api")
        ),
        "a delivery to be held by rate; the guards that did so: none": lambda: it.held_by("rate"),
        "api.restart to be suppressed by budget; the guards that did so: none": lambda: (
            it.suppressed_by("budget", "api.restart")
        ),
        "people to be told by budget; the guards that did so: none": lambda: it.escalated_by(
            "budget"
        ),
    }
    for words, check in wrong.items():
        with pytest.raises(Unmet) as unmet:
            check()
        assert str(unmet.value).startswith(f"expected {words}\n\nRecovery {trace.correlation_id}")
    with pytest.raises(ValueError, match=r"'restart' names no handler: write it as 'service\."):
        it.did_not_run("restart")


async def test_guards_are_seen_at_work(kit: Cell) -> None:
    """Held, suppressed, escalated, dead: each has its sentence, and people's list is at hand."""
    api = Service("api")

    @api.on(ServiceFailed.about("api"), budget="1/10m")
    async def restart(failed: ServiceFailed) -> None:
        raise TransientError("no process")

    @api.on(ServiceFailed.about("web"), retry=Retry(attempts=1))
    async def reload(failed: ServiceFailed) -> None:
        raise ValueError("no configuration")

    expect(await failed(kit, api)).suppressed_by("budget", "api.restart").escalated_by("budget")
    assert [told.subject for told in await kit.escalations()] == ["api"]
    trace = await failed(kit, api, subject="web")
    expect(trace).failed().died("api.reload", because="ValueError: no configuration")
    with pytest.raises(
        Unmet, match=r"api\.reload to die because of 'disk'; it died of ValueError: "
    ):
        expect(trace).died("api.reload", because="disk")


async def test_what_went_well_in_part_is_partial(kit: Cell, api: Service) -> None:
    """One of two handlers dies."""
    web = Service("web")

    @web.on(ServiceFailed, retry=Retry(attempts=1))
    async def reload(failed: ServiceFailed) -> None:
        raise ValueError("no configuration")

    expect(await failed(kit, api, web)).partial().ran("api.restart").died("web.reload")


async def test_what_hears_of_the_end_is_waited_for(kit: Cell, api: Service) -> None:
    """A handler of the closing event is in the trace of the recovery that closed."""
    ops = Service("ops")

    @ops.on(RecoveryCompleted)
    async def tell(completed: RecoveryCompleted) -> None:
        """Tell the team."""

    async with kit.running(api, ops):
        receipt = await kit.publish(ServiceFailed(subject="api"))
        await kit.until(receipt, lambda it: it.completed().ran("ops.tell", times=1))


async def test_a_loop_is_halted(kit: Cell) -> None:
    """A service that answers itself for ever is a test of a few milliseconds."""
    api = Service("api")

    @api.on(ServiceFailed, ServiceRestarted)
    async def restart(event: ServiceFailed | ServiceRestarted) -> ServiceRestarted:
        return ServiceRestarted(subject=event.subject)

    expect(await failed(kit, api)).halted().ran("api.restart", times=3)


async def test_settings_are_the_tests_to_choose(redis_url: str, api: Service) -> None:
    """A deployment's settings hold here as well; what is held is waited for without its end."""
    limits = {"api.restart": {"rate": "1/1m"}}
    async with Cell.open(redis_url, handlers=limits) as cell, cell.running(api):
        await cell.settled(await cell.publish(ServiceFailed(subject="one")))
        second = await cell.publish(ServiceFailed(subject="two"))
        trace = await cell.until(second, lambda it: it.held_by("rate", "api.restart"))
        assert trace.status == "open"
    for wrong, text in ("cell", "antiphon"), ("leash", "1s"):
        with pytest.raises(ConfigurationError, match=wrong):
            await Cell.open(redis_url, hurry=False, **{wrong: text}).__aenter__()


async def test_nothing_of_a_cell_is_left(redis_url: str, api: Service) -> None:
    """A server that outlives the test has none of its keys, and keeps those of others."""
    async with Cell.open(redis_url) as other:
        receipt = await other.publish(ServiceFailed(subject="api"))
        async with Cell.open(redis_url) as cell:
            await failed(cell, api)
            name = cell.settings.cell
        with Redis.from_url(redis_url, decode_responses=True) as client:
            assert keys_of(client, name) == []
        assert (await other.trace(receipt)).status == "open"


async def test_a_cell_brings_a_server_of_its_own(api: Service) -> None:
    """Without a URL nothing needs to run before the test, and nothing runs after it."""
    async with Cell.open() as cell:
        expect(await failed(cell, api)).completed()
        url = str(cell.settings.redis_url)
    assert not answers(url)


async def test_cells_share_a_server(api: Service) -> None:
    """One server serves any number of cells, also at once."""
    with temporary_server() as url:
        async with Cell.open(url) as one, Cell.open(url) as other:
            for trace in await asyncio.gather(failed(one, api), failed(other, api)):
                expect(trace).completed().ran("api.restart", times=1)


# Time.


def _retrying(trace: Trace) -> None:
    assert [step.outcome for step in trace.steps] == [StepOutcome.RETRYING]


async def test_retries_follow_at_once_in_a_hurry(kit: Cell, redis_url: str) -> None:
    """Minutes between attempts become milliseconds; without a hurry they stay what they are."""
    api = Service("api")

    @api.on(ServiceFailed, retry=Retry(attempts=4, first="10m", longest="1h"))
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        if recovery.attempt == 1:
            raise TransientError("the host boots", retry_after=timedelta(hours=1))
        if recovery.attempt < 4:
            raise OSError("not yet")

    expect(await failed(kit, api)).completed().ran("api.restart", times=4)
    async with Cell.open(redis_url) as cell, cell.running(api):
        receipt = await cell.publish(ServiceFailed(subject="api"))
        trace = await cell.until(receipt, lambda it: _retrying(it.trace))
        due = trace.steps[0].due
    assert due is not None
    assert due - datetime.now(UTC) > timedelta(minutes=50)

"""Records of recoveries, read back from a real server."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from antiphon import Service, Settings
from antiphon.broker.connection import opened
from antiphon.broker.reading import (
    RedisReading,
    list_recoveries,
    read_ledger,
    read_outstanding,
    read_recovery,
)
from antiphon.cli.main import main
from antiphon.errors import StreamUnavailable
from antiphon.keys import Keys
from antiphon.records import Records
from antiphon.trace import StepOutcome, Trace
from antiphon_events import ServiceDegraded, ServiceFailed, ServiceRestarted
from support import until
from witness import Witness, changed, running

LOGGED_RECOVERY = Path(__file__).parents[1] / "logged_recovery.py"


async def restarted(settings: Settings, witness: Witness, *subjects: str) -> list[str]:
    """Run recoveries to their end, one after another."""
    api = Service("orders-api", settings=settings)

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    done = []
    async with running(api):
        for subject in subjects:
            receipt = await api.publish(ServiceFailed(subject=subject))
            await witness.closed(receipt.correlation_id)
            done.append(receipt.correlation_id)
    return done


async def unheard(settings: Settings, subject: str) -> str:
    """Open a recovery nobody answers."""
    receipt = await Service("probe", settings=settings).publish(ServiceDegraded(subject=subject))
    return receipt.correlation_id


async def test_a_recovery_is_read_back_whole(settings: Settings, witness: Witness) -> None:
    """Summary, ledger and outstanding work make its trace."""
    [done] = await restarted(settings, witness, "orders-api")
    trace = await Records(RedisReading(witness.client, witness.keys)).trace(done)
    assert trace is not None
    assert (trace.correlation_id, trace.verdict, trace.subject) == (done, "completed", "orders-api")
    assert [(s.group, s.outcome) for s in trace.steps] == [
        ("orders-api.restart", StepOutcome.COMPLETED)
    ]
    assert [e.type for e in trace.events] == ["service.failed", "service.restarted"]
    assert trace.missing == ()


async def test_an_open_recovery_says_what_it_waits_for(
    settings: Settings, witness: Witness
) -> None:
    """That nobody is subscribed is the answer, not an empty page."""
    waiting = await unheard(settings, "orders-db")
    trace = await Records(RedisReading(witness.client, witness.keys)).trace(waiting)
    assert trace is not None
    assert (trace.status, trace.verdict, trace.closed) == ("open", None, None)
    assert [o.words for o in trace.outstanding] == [
        "no handler is subscribed to service.degraded about orders-db"
    ]


async def test_every_part_can_be_read_by_itself(settings: Settings, witness: Witness) -> None:
    """Whoever needs only one part reads no more; what is not there is None or empty."""
    waiting = await unheard(settings, "orders-db")
    client, keys = witness.client, witness.keys
    summary = await read_recovery(client, keys, waiting)
    assert summary is not None
    assert (summary.status, summary.type) == ("open", "service.degraded")
    assert [row.kind for row in await read_ledger(client, keys, waiting)] == ["opened", "published"]
    [owed] = await read_outstanding(client, keys, waiting)
    assert owed.endswith("|?")
    assert await read_recovery(client, keys, "unheard-of") is None
    assert await read_ledger(client, keys, "unheard-of") == ()
    assert await read_outstanding(client, keys, "unheard-of") == ()
    assert await Records(RedisReading(client, keys)).trace("unheard-of") is None


async def test_recoveries_are_listed_by_status_subject_and_time(
    settings: Settings, witness: Witness
) -> None:
    """Open ones lead, the newest come first, and no more are shown than were asked for."""
    first, second, third = await restarted(settings, witness, "a", "b", "a")
    waiting = await unheard(settings, "a")
    records = Records(RedisReading(witness.client, witness.keys))

    async def ids(**choice: object) -> list[str]:
        return [s.correlation_id for s in await records.recoveries(**choice)]  # type: ignore[arg-type]

    assert await ids() == [waiting, third, second, first]
    assert await ids(limit=2) == [waiting, third]
    assert await ids(status="open") == [waiting]
    assert await ids(status="completed") == [third, second, first]
    assert await ids(status="failed") == []
    assert await ids(subject="a") == [waiting, third, first]
    assert await ids(subject="a", status="completed") == [third, first]
    assert await ids(subject="unheard-of") == []
    assert await ids(since=timedelta(hours=1)) == [waiting, third, second, first]

    async def only_the_open_one() -> bool:
        return await ids(since=timedelta(0)) == [waiting]

    # However long ago it opened, an open recovery is still open.
    assert await until(only_the_open_one)


async def test_long_lists_are_read_page_by_page(settings: Settings, witness: Witness) -> None:
    """More recoveries than fit in one round trip are all there, each once."""
    service = Service("probe", settings=changed(settings, coalesce=False))
    receipts = await asyncio.gather(
        *(service.publish(ServiceDegraded(subject="many")) for _ in range(250))
    )
    listed = await list_recoveries(witness.client, witness.keys, limit=1000)
    assert {s.correlation_id for s in listed} == {r.correlation_id for r in receipts}
    assert len(listed) == 250
    by_subject = await list_recoveries(witness.client, witness.keys, subject="many", limit=240)
    assert len(by_subject) == 240


async def test_a_server_that_is_away_is_said_to_be_away() -> None:
    """The error is Antiphon's, and names what was being done."""
    async with opened(Settings(redis_url="redis://127.0.0.1:1/0")) as client:
        records = Records(RedisReading(client, Keys("nowhere")))
        with pytest.raises(StreamUnavailable, match="reading the recovery abc: "):
            await records.trace("abc")


async def test_the_logs_of_real_workers_tell_what_the_ledger_tells(
    settings: Settings, witness: Witness
) -> None:
    """A retry, a death and a duplicate: the two pictures of one recovery agree."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        str(LOGGED_RECOVERY),
        str(settings.redis_url),
        settings.cell,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, logged = await worker.communicate()
    assert worker.returncode == 0, logged.decode()
    correlation_id = printed.decode()
    ledger = await Records(RedisReading(witness.client, witness.keys)).trace(correlation_id)
    logs = Trace.from_logs(logged.splitlines(), correlation_id)
    assert ledger is not None
    assert agreed(logs) == agreed(ledger)
    assert logs.missing == ledger.missing == ()
    assert sorted(step.outcome for step in logs.steps) == [
        "completed",
        "completed",
        "completed",
        "died",
        "duplicate",
    ]


def agreed(trace: Trace) -> object:
    """Return what two sources of one recovery must have in common."""
    steps = {
        s.id: (
            s.outcome,
            s.published,
            s.of,
            s.progress and s.progress.message,
            [(a.no, a.consumer, a.outcome, a.error, a.duration, a.due) for a in s.attempts],
        )
        for s in trace.steps
    }
    return trace.verdict, {e.id: e for e in trace.events}, steps


def antiphon(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["antiphon", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


async def test_commands_find_what_is_recorded(
    settings: Settings,
    witness: Witness,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One lists, the other shows; an unknown id is 2, with the place that was searched."""
    [done] = await restarted(settings, witness, "orders-api")
    monkeypatch.setenv("ANTIPHON_REDIS_URL", str(settings.redis_url))
    place = ("--cell", settings.cell)

    async def said(*arguments: str) -> tuple[int, str, str]:
        status = await asyncio.to_thread(antiphon, monkeypatch, *arguments, *place)
        return status, *capsys.readouterr()

    status, listed, _ = await said("recoveries", "--since", "1h", "--status", "completed")
    assert status == 0
    assert done in listed
    status, listed, _ = await said("recoveries", "--json")
    assert [summary["correlation_id"] for summary in json.loads(listed)] == [done]
    status, listed, _ = await said("recoveries", "--subject", "unheard-of")
    assert (status, listed) == (0, "There is no such recovery.\n")
    status, shown, _ = await said("trace", done)
    assert status == 0
    assert f"Recovery {done}: COMPLETED" in shown
    status, shown, _ = await said("trace", done, "--json")
    assert json.loads(shown)["source"] == "ledger"
    status, _, complaint = await said("trace", "unheard-of")
    assert status == 2
    assert f"no recovery 'unheard-of' is recorded in the cell '{settings.cell}'" in complaint

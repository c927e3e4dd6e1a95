"""Restarting real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from antiphon import PermanentError, TransientError
from antiphon_events import DatabaseRestored, ServiceRestarted
from antiphon_handlers.demo.directory import ShopDirectory
from antiphon_handlers.demo.shop_processes import shop_process
from antiphon_handlers.durable import replace_text
from antiphon_handlers.process import ManagedProcess, ProcessRecord
from antiphon_handlers.restart_process import restart_process
from handler_fixtures import delivery
from support import until

RESTORED = DatabaseRestored(subject="orders-db")


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ManagedProcess]:
    """A process that starts quickly and answers: the demo's cache."""
    process = shop_process(ShopDirectory(tmp_path), "orders-cache", owner=str(os.getpid()))
    yield process
    process.stop()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    # A group leader, as a daemon is: signals to groups would reach it.
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process
        process.kill()


def script(tmp_path: Path, code: str) -> ManagedProcess:
    return ManagedProcess(
        command=(sys.executable, "-c", code),
        cwd=tmp_path,
        pidfile=tmp_path / "script.json",
        ready_url="http://127.0.0.1:1/never",
        stop_within=timedelta(milliseconds=200),
    )


async def restart(
    process: ManagedProcess, *, token: int = 1, event_id: str = "event-1"
) -> ServiceRestarted:
    handler = restart_process(process, subject="orders-cache")
    return await handler(*delivery(RESTORED, token=token, event_id=event_id))


def started(process: ManagedProcess) -> ProcessRecord:
    with process.locked() as lock:
        return process.start(lock)


async def test_a_restarted_process_answers_when_the_handler_returns(cache: ManagedProcess) -> None:
    """The event names the pid and the URL, and whoever reads it can use the service at once."""
    restarted = await restart(cache)
    assert restarted.subject == "orders-cache"
    assert restarted.pid is not None
    assert psutil.pid_exists(restarted.pid)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(restarted.url)).is_success


async def test_one_event_restarts_a_process_once(cache: ManagedProcess) -> None:
    """A second attempt for the same event finds the process running and leaves it alone."""
    first = await restart(cache)
    assert await restart(cache, token=2) == first


async def test_another_event_restarts_it_again(cache: ManagedProcess) -> None:
    """The next event replaces the process, and the former one is gone."""
    await restart(cache)
    former = cache.record()
    second = await restart(cache, token=2, event_id="event-2")
    assert former is not None
    assert second.pid != former.pid
    assert not former.alive()


async def test_a_process_that_died_is_started_again_for_the_same_event(
    cache: ManagedProcess,
) -> None:
    """Having been started once is no reason to leave a service down."""
    first = await restart(cache)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    record = cache.record()
    assert record is not None
    await until(lambda: not record.alive())
    assert (await restart(cache, token=2)).pid != first.pid


async def test_an_older_attempt_leaves_a_newer_process_alone(cache: ManagedProcess) -> None:
    """A worker that slept through its lease does not restart what its successor started."""
    newer = await restart(cache, token=5, event_id="event-2")
    assert (await restart(cache, token=4)).pid == newer.pid


async def test_the_process_outlives_its_starter_in_a_session_of_its_own(
    cache: ManagedProcess,
) -> None:
    """It is no child of the worker and in no group of its, so neither's end is the other's."""
    restarted = await restart(cache)
    assert restarted.pid is not None
    assert os.getsid(restarted.pid) == restarted.pid
    assert psutil.Process(restarted.pid).ppid() != os.getpid()


async def test_a_process_is_recorded_before_it_runs(tmp_path: Path) -> None:
    """Its first instruction already finds the pidfile, so a killed worker leaves no stray."""
    process = script(tmp_path, "import os; print(os.getpid(), open('script.json').read())")
    record = started(process)
    await until(lambda: process.output.stat().st_size)
    pid, _, text = process.output.read_text().partition(" ")
    assert int(pid) == record.pid
    assert ProcessRecord(**json.loads(text)) == record


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """Stopping ends with SIGKILL when asking was not enough."""
    process = script(
        tmp_path,
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True);"
        "time.sleep(60)",
    )
    record = started(process)
    await until(lambda: "deaf" in process.last_words())
    process.stop()
    assert not record.alive()


async def test_what_a_process_started_is_stopped_with_it(tmp_path: Path) -> None:
    """A worker of a killed server, which may hold its port, does not survive the restart."""
    process = script(
        tmp_path,
        "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True);"
        "subprocess.os.kill(subprocess.os.getpid(), 9)",
    )
    record = started(process)
    await until(lambda: not record.alive())
    grandchild = psutil.Process(int(process.last_words()))
    process.stop()
    await until(lambda: not grandchild.is_running() or grandchild.status() == "zombie")


async def test_a_stranger_with_the_same_pid_is_never_signalled(
    cache: ManagedProcess, stranger: subprocess.Popen[bytes]
) -> None:
    """A pid that was given to another process since is recognised by its create time."""
    record = {"pid": stranger.pid, "create_time": 1.0, "event_id": "", "token": 0}
    replace_text(cache.pidfile, json.dumps(record))
    await restart(cache)
    assert stranger.poll() is None


async def test_a_worker_keeps_its_own_settings_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's Redis URL, and the password in it, does not reach the services it restarts."""
    monkeypatch.setenv("ANTIPHON_REDIS_URL", "redis://:secret@127.0.0.1:1")
    monkeypatch.setenv("ORDERS_SETTING", "kept")
    process = script(tmp_path, "import os; print(dict(os.environ))")
    started(process)
    await until(lambda: "ORDERS_SETTING" in process.last_words())
    assert "secret" not in process.last_words()


async def test_a_command_that_cannot_run_is_given_up(tmp_path: Path) -> None:
    """Trying again does not help, so the error is permanent, and names the command."""
    process = ManagedProcess(
        command=("no-such-program",),
        cwd=tmp_path,
        pidfile=tmp_path / "pid.json",
        ready_url="http://127.0.0.1:1/",
    )
    with pytest.raises(PermanentError, match="no-such-program"):
        await restart(process)


async def test_a_process_that_ends_at_once_is_tried_again(tmp_path: Path) -> None:
    """The error is transient, and carries the process's last words."""
    with pytest.raises(TransientError, match="the upstream is away"):
        await restart(script(tmp_path, "raise SystemExit('the upstream is away')"))


async def test_a_process_that_never_gets_ready_is_tried_again(tmp_path: Path) -> None:
    """Waiting for readiness ends, with a transient error that says how long it waited."""
    patient = script(tmp_path, "import time; time.sleep(60)")
    process = ManagedProcess(
        command=patient.command,
        cwd=tmp_path,
        pidfile=patient.pidfile,
        ready_url=patient.ready_url,
        ready_within=timedelta(milliseconds=300),
    )
    try:
        with pytest.raises(TransientError, match=r"0\.3 s"):
            await restart(process)
    finally:
        process.stop()

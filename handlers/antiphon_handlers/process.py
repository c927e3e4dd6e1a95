"""An operating-system process that outlives the worker that started it, known by its pidfile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil

from antiphon import PermanentError, TransientError
from antiphon_handlers.file_lock import locked

POLL_SECONDS = 0.02
LOCK_MARGIN = timedelta(seconds=20)
CLOCK_TOLERANCE_SECONDS = 2.0
"""A create time counts from the boot time, which moves when the system clock is corrected."""

_OURS = "ANTIPHON_"
"""Variables that configure the worker, its Redis password among them, and no service it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """What a pidfile says: which process runs, and which delivery started it.

    Attributes:
        pid: also its process group and session.
        create_time: seconds since the epoch; tells it from a later process with the same pid.
        event_id: the event whose handler started it; empty when no handler did.
        token: that delivery's fencing token; 0 when no handler did.
    """

    pid: int
    create_time: float
    event_id: str = ""
    token: int = 0

    def is_of(self, process: psutil.Process) -> bool:
        """Whether it is of this process, and not of an earlier one with the same pid."""
        return bool(abs(process.create_time() - self.create_time) < CLOCK_TOLERANCE_SECONDS)

    def alive(self) -> bool:
        """Whether this very process runs; one that has ended but is not reaped yet does not."""
        try:
            process = psutil.Process(self.pid)
            return self.is_of(process) and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedProcess:
    """How to run one service on this machine.

    Attributes:
        command: the program and its arguments; no shell is involved.
        cwd: its working directory.
        pidfile: where its record is kept, as JSON; a ``.lock`` file stands beside it.
        ready_url: answers with 2xx once the service works. A callable is given the pid and may
            return None while the address is not known yet.
        environment: added to the worker's own, of which every ``ANTIPHON_`` variable is left out.
        log: what it prints is appended here; beside the pidfile when not given.
        stop_within: from SIGTERM to SIGKILL.
        ready_within: from its start to the first good answer.
    """

    command: tuple[str, ...]
    cwd: Path
    pidfile: Path
    ready_url: str | Callable[[int], str | None]
    environment: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    stop_within: timedelta = timedelta(seconds=10)
    ready_within: timedelta = timedelta(seconds=30)

    @property
    def output(self) -> Path:
        """The file that gets what the process prints."""
        return self.log or self.pidfile.with_suffix(".log")

    def url(self, pid: int) -> str | None:
        """Where the process with this pid says it is ready, or None while unknown."""
        return self.ready_url if isinstance(self.ready_url, str) else self.ready_url(pid)

    def record(self) -> ProcessRecord | None:
        """Read the pidfile; None when the process was never started."""
        try:
            return ProcessRecord(**json.loads(self.pidfile.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Keep every other worker of this machine from starting or stopping the process.

        Raises:
            TransientError: another worker held it for too long.
        """
        path = self.pidfile.with_name(f"{self.pidfile.name}.lock")
        with locked(path, within=self.stop_within + LOCK_MARGIN) as descriptor:
            yield descriptor

    def start(self, lock: int, *, event_id: str = "", token: int = 0) -> ProcessRecord:
        """Start it detached, in a session of its own, and return once it is recorded and runs.

        Args:
            lock: the descriptor of `locked`; held on until the new process is recorded, even if
                this worker is killed meanwhile.
            event_id: recorded as the reason.
            token: recorded beside it.

        Raises:
            PermanentError: the command cannot be run.
        """
        launch = {
            "command": self.command,
            "cwd": str(self.cwd),
            "pidfile": str(self.pidfile.absolute()),
            "log": str(self.output.absolute()),
            "lock": lock,
            "record": {"event_id": event_id, "token": token},
        }
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
        done = subprocess.run(  # noqa: S603  the arguments are the owner's
            [sys.executable, "-m", "antiphon_handlers.launch", json.dumps(launch)],
            env={**inherited, **self.environment},
            pass_fds=(lock,),
            capture_output=True,
            text=True,
            check=False,
        )
        record = self.record()
        if done.returncode or record is None:
            raise PermanentError(f"cannot start {self.command[0]!r}: {done.stderr.strip()}")
        return record

    def stop(self) -> None:
        """End the recorded process and its group: SIGTERM, and SIGKILL after ``stop_within``.

        Raises:
            TransientError: even SIGKILL has not ended it yet.
        """
        record = self.record()
        if record is None or _taken_over(record):
            return
        if record.alive():
            _signal_group(record.pid, signal.SIGTERM)
            _await_end(record, self.stop_within)
        # Its children may have outlived it, and hold its port.
        _signal_group(record.pid, signal.SIGKILL)
        if not _await_end(record, self.stop_within):
            raise TransientError(f"{self.command[0]!r} (pid {record.pid}) survives SIGKILL so far")

    def last_words(self) -> str:
        """Return the last line it printed, for an error message."""
        try:
            text = self.output.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "it printed nothing"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"


def _await_end(record: ProcessRecord, within: timedelta) -> bool:
    """Wait for a process to end, and return whether it did."""
    give_up = time.monotonic() + within.total_seconds()
    while record.alive() and time.monotonic() < give_up:
        time.sleep(POLL_SECONDS)
    return not record.alive()


def _taken_over(record: ProcessRecord) -> bool:
    """Whether the pid belongs to somebody else's process now, which must not be signalled."""
    try:
        return not record.is_of(psutil.Process(record.pid))
    except psutil.NoSuchProcess:
        return False


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)

"""A worker process of one contender, as its parent sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from antiphon_benchmarks.contenders.contender import Name
from antiphon_benchmarks.cores import pinned
from antiphon_benchmarks.plan import Plan
from antiphon_benchmarks.work import URL

#: Above the longest drain of a contender.
STOP_SECONDS = 40
TAIL_BYTES = 2_000


class WorkerEndedError(RuntimeError):
    """The worker process ended before its work did."""


class Worker:
    """A context manager: started and built on entry, stopped with SIGTERM on exit."""

    def __init__(self, name: Name, plan: Plan, *, url: str, core: int | None, log: Path) -> None:
        self._command = [
            sys.executable, "-m", "antiphon_benchmarks.work",
            name, plan.name, str(plan.handlers),
        ]  # fmt: skip
        self._environment = os.environ | {URL: url, "PYTHONPATH": _search_path()}
        self._core = core
        self._log = log
        self._process: subprocess.Popen[bytes]
        self._usage: psutil.Process

    def __enter__(self) -> Self:
        reading, writing = os.pipe()
        with pinned(self._core), self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, str(writing)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[writing],
                env=self._environment,
            )
        os.close(writing)
        self._usage = psutil.Process(self._process.pid)
        with os.fdopen(reading) as ready:
            if not ready.readline():
                self._process.wait(STOP_SECONDS)
                self.check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            if error is None:
                raise WorkerEndedError(
                    f"worker ignored SIGTERM for {STOP_SECONDS} s: {self._tail()}"
                ) from None
        finally:
            self._stdin.close()
        if error is None and self._process.returncode not in {0, -signal.SIGTERM}:
            self.check()

    def go(self) -> None:
        """Let the worker connect and consume."""
        self._stdin.write(b"go\n")
        self._stdin.flush()

    def check(self) -> None:
        """Raise WorkerEndedError, with the end of its output, when the process has ended."""
        if (code := self._process.poll()) is not None:
            raise WorkerEndedError(f"worker ended with status {code}: {self._tail()}")

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, all threads, user and system."""
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    @property
    def _stdin(self) -> IO[bytes]:
        if self._process.stdin is None:
            raise WorkerEndedError("worker was started without an input")
        return self._process.stdin

    def _tail(self) -> str:
        return self._log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")


def _search_path() -> str:
    here = str(Path(__file__).resolve().parents[1])
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))

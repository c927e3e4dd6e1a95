"""The demo's own child processes: each ends with the demo, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from antiphon.broker import tether

STOP_WITHIN_SECONDS = 3.0


class Children:
    """Processes by name, each in a session of its own so that Ctrl-C is the demo's to answer."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> int:
        """Start ``python ARGUMENTS`` under a name, its output appended to ``NAME.jsonl``.

        Call it on the main thread: the tether ends the child with the thread that started it.
        """
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603  the arguments are the demo's
                [
                    *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid())),
                    *(sys.executable, *arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        return self.pid(name)

    def log(self, name: str) -> Path:
        """Where a child's output goes."""
        return self._logs / f"{name}.jsonl"

    def pid(self, name: str) -> int:
        """The process id of a child, alive or not."""
        return self._running[name].pid

    def ended(self) -> dict[str, int]:
        """The children that have ended by themselves, with their exit status."""
        return {
            name: status
            for name, process in self._running.items()
            if (status := process.poll()) is not None
        }

    def kill(self, name: str) -> int:
        """End a child as a crash would, and return the process id it had."""
        process = self._running.pop(name)
        _signal(process, signal.SIGKILL)
        process.wait()
        return process.pid

    def stop(self) -> None:
        """End them all: politely, and after a while by force."""
        for process in self._running.values():
            _signal(process, signal.SIGTERM)
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_WITHIN_SECONDS)
            _signal(process, signal.SIGKILL)
            process.wait()
        self._running.clear()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The group, because what a child has started must go with it.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)

"""A worker process of a test's own: started by `antiphon run`, and there to be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from antiphon import Settings
from support import until

_HERE = Path(__file__).parent
_STARTS_WITHIN_SECONDS = 60.0
_ENDS_WITHIN_SECONDS = 30.0

StartChild = Callable[[Settings, str], "AbstractAsyncContextManager[Child]"]
"""Starts a worker that runs into the trouble named."""


class Child:
    """One `antiphon run`, whose log lines can be read and whose end can be awaited."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    @asynccontextmanager
    async def running(
        cls, target: str, settings: Settings, log: Path, **environment: str
    ) -> AsyncIterator[Child]:
        """Start a worker of `module:service`, wait until it reads, and leave none behind."""
        child = cls(_spawn(target, settings, log, environment), log)
        try:
            await until(lambda: child.said("services.ready") or child.ended, _STARTS_WITHIN_SECONDS)
            assert child.said("services.ready"), child.transcript()
            yield child
        finally:
            child._process.kill()  # also what is suspended
            child._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def end(self, expected: int) -> None:
        """Wait for its end, and hold it to its exit status."""
        await until(lambda: self.ended, _ENDS_WITHIN_SECONDS)
        assert self._process.returncode == expected, self.transcript()

    def transcript(self) -> str:
        """Everything it wrote."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        lines = self._log.read_bytes().splitlines(keepends=True)
        logged = [orjson.loads(line) for line in lines if line[:1] == b"{" and line[-1:] == b"\n"]
        return [line for line in logged if line.get("event") == event]


def surroundings(settings: Settings, environment: dict[str, str]) -> dict[str, str]:
    """The environment of a process that is told its settings, and finds the tests' modules."""
    values = settings.model_dump(mode="json", include=settings.model_fields_set)
    ours = {
        f"ANTIPHON_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
        for name, value in values.items()
    }
    path = os.pathsep.join([str(_HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"ANTIPHON_SERVE": "off", **os.environ, **ours, **environment, "PYTHONPATH": path}


def _spawn(
    target: str, settings: Settings, log: Path, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "antiphon", "run", target],
            env=surroundings(settings, environment),
            cwd=_HERE,
            stdout=out,
            stderr=subprocess.STDOUT,
        )

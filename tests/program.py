"""Running `antiphon` commands as their users do: another process, told by its environment."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antiphon.settings import ENV_PREFIX, Settings
from warm import Output, WarmStart

_PATIENCE_SECONDS = 60.0
_WARM = WarmStart()


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed for programs."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line in which it said what was wrong."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("antiphon: ")
        return lines[0].removeprefix("antiphon: ")


async def antiphon(settings: Settings, *arguments: str, answer: str = "") -> Ended:
    """Run a command with these settings to its end.

    Args:
        settings: Those that were given reach the command as environment variables.
        arguments: What follows the name of the program.
        answer: What its user types.
    """
    given = settings.model_dump(mode="json", include=settings.model_fields_set)
    told = {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in given.items()}
    environment = {**os.environ, **told, "COLUMNS": "200"}
    ended = await asyncio.to_thread(run, arguments, environment, answer=answer.encode())
    assert b"Traceback" not in ended.err, ended.err.decode()
    return Ended(ended.status, ended.out.decode(), ended.err.decode())


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path | None = None,
    answer: bytes = b"",
) -> Output:
    """Run a command with an environment of its own to its end, here unless a folder is named."""
    start = _WARM.run if _WARM.suits(environment) else _run_cold
    return start(arguments, environment, folder or Path.cwd(), answer, _PATIENCE_SECONDS)


def _run_cold(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    answer: bytes,
    patience_s: float,
) -> Output:
    done = subprocess.run(
        [sys.executable, "-m", "antiphon", *arguments],
        cwd=folder,
        input=answer,
        capture_output=True,
        env=dict(environment),
        timeout=patience_s,
        check=False,
    )
    return Output(done.returncode, done.stdout, done.stderr)

"""Running `antiphon` commands as their users do: another process, told by its environment."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from typing import Any

from antiphon.settings import ENV_PREFIX, Settings

_PATIENCE_SECONDS = 60.0


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
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "antiphon",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **told, "COLUMNS": "200"},
    )
    async with asyncio.timeout(_PATIENCE_SECONDS):
        out, err = await process.communicate(answer.encode())
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Ended(process.returncode, out.decode(), err.decode())

"""The world outside the workers: what handlers did to it stays done when they die."""

from __future__ import annotations

import os
import time
from pathlib import Path

from support import until

_PATIENCE_SECONDS = 60.0


class World:
    """A folder with a diary of effects, and flags by which tests and workers signal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._diary = folder / "diary"
        self._diary.touch()

    def do(self, what: str) -> None:
        """Have an effect. It is whole or not there, whoever dies when."""
        line = os.open(self._diary, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(line, f"{what}\n".encode())
        finally:
            os.close(line)

    def done(self, what: str) -> int:
        """How often something was done."""
        return self._diary.read_text().splitlines().count(what)

    def raise_flag(self, name: str) -> None:
        (self._folder / name).touch()

    def flag(self, name: str) -> bool:
        return (self._folder / name).exists()

    async def await_flag(self, name: str) -> None:
        await until(lambda: self.flag(name), _PATIENCE_SECONDS)

    def block_for_flag(self, name: str) -> None:
        """Wait as code does that never yields to the event loop."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self.flag(name):
            assert time.monotonic() < deadline, f"{name} was never raised"
            time.sleep(0.005)  # the handler under test is the one that blocks

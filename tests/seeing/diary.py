"""Diaries: what really happened, written down by those who did it and by nobody else.

Each process has a file of its own, a line for each note. A line is one write to a file opened for
appending, so it is whole or not there, whoever dies when.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

Note = dict[str, Any]


class Diary:
    """The notes of one process; `read` returns those of all."""

    def __init__(self, folder: Path, author: str) -> None:
        self.folder = folder
        self._path = folder / f"{author}.truth"
        self._author = author

    def note(self, what: str, /, **fields: Any) -> None:
        """Write a note down, with the time and who writes."""
        told = {"what": what, "at": time.time(), "author": self._author, **fields}
        line = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(line, orjson.dumps(told, default=str) + b"\n")
        finally:
            os.close(line)

    def once(self, flag: str) -> bool:
        """Whether this is the first time that anybody raises a flag."""
        try:
            (self.folder / f"{flag}.flag").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def raised(self, flag: str) -> bool:
        """Whether somebody has raised a flag."""
        return (self.folder / f"{flag}.flag").exists()


def read(folder: Path) -> Iterator[Note]:
    """Read the notes of all processes, in the order of time."""
    notes = (
        orjson.loads(line)
        for path in folder.glob("*.truth")
        for line in path.read_bytes().splitlines()
    )
    yield from sorted(notes, key=lambda note: note["at"])

"""Lines of log files that tell of one recovery."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

_LARGEST_BYTES = 64 * 1024 * 1024
"""Of a larger file the end is read."""

_MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line."""

    at: str
    """Its timestamp, as written; empty when it has none."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class LogLines:
    """What was found."""

    lines: tuple[LogLine, ...]
    """The newest, in the order of their timestamps."""

    more: int
    """Older lines that are left out."""

    problems: tuple[str, ...]
    """Files that could not be read, or not all of them."""


def lines_about(correlation_id: str, files: Sequence[Path]) -> LogLines:
    """Find the lines of some files that name a recovery."""
    found: list[LogLine] = []
    problems: list[str] = []
    needle = orjson.dumps(correlation_id)
    for path in files:
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - _LARGEST_BYTES, 0))
                if size > _LARGEST_BYTES:
                    problems.append(f"{path}: only its last {_LARGEST_BYTES >> 20} MiB were read")
                found.extend(_lines(path.name, file, needle))
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
    found.sort(key=lambda line: line.at)
    return LogLines(tuple(found[-_MOST_LINES:]), max(len(found) - _MOST_LINES, 0), tuple(problems))


def _lines(name: str, file: Iterator[bytes], needle: bytes) -> Iterator[LogLine]:
    for raw in file:
        if needle not in raw:
            continue
        text = raw.decode("utf-8", "replace").strip()
        try:
            parsed = orjson.loads(raw[max(raw.find(b'{"'), 0) :])
        except orjson.JSONDecodeError:
            parsed = None
        at = parsed.get("timestamp", "") if isinstance(parsed, dict) else ""
        yield LogLine(str(at), name, text)

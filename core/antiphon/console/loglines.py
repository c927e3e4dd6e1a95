"""Lines of log files that tell of one recovery."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

_LARGEST_BYTES = 64 * 1024 * 1024
"""Of a larger file the end is read."""

_MOST_LINES = 1000
_LONGEST_LINE = 4096
"""Characters of a line that are shown."""


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
    """The newest of each file, in the order of their timestamps."""

    more: int
    """Older lines that are left out."""

    problems: tuple[str, ...]
    """Files that could not be read, or not all of them."""


def lines_about(correlation_id: str, files: Sequence[Path]) -> LogLines:
    """Find the lines of some files that name a recovery."""
    found: list[LogLine] = []
    more = 0
    problems: list[str] = []
    needle = orjson.dumps(correlation_id)
    for path in files:
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - _LARGEST_BYTES, 0))
                if size > _LARGEST_BYTES:
                    problems.append(f"{path}: only its last {_LARGEST_BYTES >> 20} MiB were read")
                newest, older = _newest(file, needle)
                found += [_line(path.name, raw) for raw in newest]
                more += older
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
    found.sort(key=lambda line: line.at)
    more += max(len(found) - _MOST_LINES, 0)
    return LogLines(tuple(found[-_MOST_LINES:]), more, tuple(problems))


def _newest(file: Iterable[bytes], needle: bytes) -> tuple[Iterable[bytes], int]:
    """Keep the last lines that hold a needle, and count those before them."""
    kept: deque[bytes] = deque(maxlen=_MOST_LINES)
    count = 0
    for raw in file:
        if needle in raw:
            kept.append(raw)
            count += 1
    return kept, count - len(kept)


def _line(name: str, raw: bytes) -> LogLine:
    try:
        parsed = orjson.loads(raw[max(raw.find(b'{"'), 0) :])
    except orjson.JSONDecodeError:
        parsed = None
    at = parsed.get("timestamp", "") if isinstance(parsed, dict) else ""
    text = raw[: 4 * _LONGEST_LINE].decode("utf-8", "replace").strip()
    return LogLine(
        str(at), name, text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…"
    )

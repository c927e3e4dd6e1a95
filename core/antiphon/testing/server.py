"""A server for the time of some tests: in memory, in a directory that goes with it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from antiphon.broker.server import EmbeddedServer


@contextmanager
def temporary_server() -> Iterator[str]:
    """Run a server and yield its URL; many cells may share it, one after another or at once.

    On Linux it ends with the thread that started it, so start it from the one that runs the tests.

    Raises:
        ServerNotFound: there is no server program on this machine.
    """
    with (
        tempfile.TemporaryDirectory(prefix="antiphon-") as folder,
        EmbeddedServer(Path(folder), durability="none") as server,
    ):
        yield server.url

"""Workers that cannot start: they say why in a line, and leave nothing half begun."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from antiphon import Service, Settings, StreamUnavailable
from antiphon_events import ServiceFailed
from program import run
from witness import running


async def test_a_worker_without_a_server_says_so() -> None:
    """The error is one of Antiphon's, which commands print as a line, and names the address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens on it
        port = unused.getsockname()[1]
        service = Service("orders", settings=Settings(redis_url=f"redis://127.0.0.1:{port}"))

        @service.on(ServiceFailed)
        async def restart(failed: ServiceFailed) -> None: ...

        with pytest.raises(StreamUnavailable, match=str(port)):
            async with running(service):
                pass


_HOOKED = """
from antiphon import ConfigurationError, Service
from antiphon_events import ServiceFailed

orders = Service("orders")


@orders.on(ServiceFailed)
async def restart(failed: ServiceFailed) -> None: ...


@orders.app.after_startup
async def look_for_the_disk() -> None:
    raise ConfigurationError("there is no disk")
"""


def test_what_had_begun_stops_when_the_rest_does_not_start(
    settings: Settings, tmp_path: Path
) -> None:
    """Handlers that read already hand back what they hold, and the program ends with the error."""
    (tmp_path / "hooked.py").write_text(_HOOKED)
    given = {"ANTIPHON_REDIS_URL": settings.redis_url or "", "ANTIPHON_CELL": settings.cell}
    environment = {**os.environ, **given, "ANTIPHON_SERVE": "off"}
    ended = run(["run", "hooked:orders"], environment, folder=tmp_path)
    assert (ended.status, b"handler.listening" in ended.err) == (2, True), ended.err.decode()
    *_, stopped, complaint = ended.err.decode().splitlines()
    assert '"worker.stopped"' in stopped
    assert complaint == "antiphon: there is no disk"

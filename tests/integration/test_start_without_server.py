"""A worker that was started without a server once ended with a traceback of its client library."""

from __future__ import annotations

import socket

import pytest

from antiphon import Service, Settings, StreamUnavailable
from antiphon_events import ServiceFailed
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

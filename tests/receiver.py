"""A web server on the loopback that takes notifications, or does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PATIENCE_SECONDS = 30.0


class Receiver:
    """What was sent to it, and how it answers."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.asked: list[str] = []
        """The path of every request, also of those that were refused."""
        self.taken: list[dict[str, Any]] = []
        """The JSON of those that were not."""
        self.status = 200
        self.answering = threading.Event()
        """Cleared: requests wait."""
        self.answering.set()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a port of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = False  # so that closing waits for them
        receiver = _Handler.receiver = Receiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.answering.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.receiver.asked.append(self.path)
        self.receiver.answering.wait(_PATIENCE_SECONDS)
        if self.receiver.status == 200:
            self.receiver.taken.append(json.loads(body))
        self.send_response(self.receiver.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

"""The server that answers for a process: its metrics, and whether it is alive and ready.

It runs in threads of its own, so that it answers also while the event loop does not turn: that is
when somebody asks.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import REGISTRY, make_wsgi_app

from antiphon.address import Address
from antiphon.telemetry.health import Answer
from antiphon.telemetry.logging import get_logger

_MOST_AT_ONCE = 16
_SILENT_S = 10.0
"""How long a client may say nothing before it is hung up on."""

_LONGEST_S = 15.0
"""How long one request may take in all."""

Probe = Callable[[], Answer]
_Respond = Callable[[str, list[tuple[str, str]]], Any]
_Headers = list[tuple[str, str]]

_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error"}
_TEXT = "text/plain; charset=utf-8"


class Application:
    """The WSGI application: ``/metrics``, and a probe for each further path."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = probes
        self._metrics: Any = make_wsgi_app(REGISTRY)
        self._log = get_logger()

    def __call__(self, environ: dict[str, Any], respond: _Respond) -> list[bytes]:
        """Answer one request."""
        status, headers, body = self._answer(environ)
        headers += [
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Server", "antiphon"),
        ]
        respond(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, _Headers, bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path != "/metrics" and path not in self._probes:
            known = " ".join(["/metrics", *self._probes])
            return _text(404, f"there is nothing here; there is {known}\n")
        if method not in {"GET", "HEAD"}:
            status, headers, body = _text(405, "GET and HEAD are answered\n")
            return status, [*headers, ("Allow", "GET, HEAD")], body
        try:
            return self._read(path, environ)
        except Exception as error:  # noqa: BLE001 - whoever asks next is answered all the same
            self._log.error("serving.failed", path=path, error=repr(error))
            return _text(500, "it could not be told; the log says why\n")

    def _read(self, path: str, environ: dict[str, Any]) -> tuple[str, _Headers, bytes]:
        if path in self._probes:
            answer = self._probes[path]()
            status = f"{answer.status} {'OK' if answer.status == 200 else 'Service Unavailable'}"  # noqa: PLR2004
            body = json.dumps(answer.document).encode() + b"\n"
            return status, [("Content-Type", "application/json")], body
        said: list[Any] = []
        parts = self._metrics({**environ, "REQUEST_METHOD": "GET"}, lambda *it: said.extend(it))
        status, headers = said
        return status, list(headers), b"".join(parts)


class Server:
    """Answers at one address until it is stopped."""

    def __init__(self, address: Address, application: Application) -> None:
        """Take the address.

        Raises:
            OSError: it cannot be had.
        """
        (family, *_, where), *_ = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        host, port = str(where[0]), int(where[1])
        self._server = _Listener(family, (host, port), _Request)
        self._server.set_app(application)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="antiphon.serving", daemon=True
        )
        self.address = Address(address.host, self._server.server_port)
        """Where it answers; the port it was given, when any would do."""

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when nobody listens any more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Listener(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each client, so many at a time."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, family: int, where: tuple[str, int], request: type[WSGIRequestHandler]
    ) -> None:
        self.address_family = family
        self._places = threading.Semaphore(_MOST_AT_ONCE)
        super().__init__(where, request)

    def server_bind(self) -> None:
        # Without asking a name server what we are called.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # A client that sends a byte now and then would keep a place that a probe needs.
        hang_up = threading.Timer(_LONGEST_S, _hang_up, (request,))
        hang_up.daemon = True
        hang_up.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            hang_up.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if not isinstance(error, OSError):  # a client that went away is no news
            get_logger().error("serving.failed", path="", error=repr(error))


class _Request(WSGIRequestHandler):
    """Reads one request, and logs nothing: a probe comes every few seconds."""

    timeout = _SILENT_S
    server_version = "antiphon"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def handle(self) -> None:
        with contextlib.suppress(TimeoutError):
            super().handle()


def _hang_up(request: socket.socket) -> None:
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def _text(status: int, words: str) -> tuple[str, _Headers, bytes]:
    return f"{status} {_REASONS[status]}", [("Content-Type", _TEXT)], words.encode()

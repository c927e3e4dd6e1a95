"""JSON over HTTP on a free port of 127.0.0.1, for services of a few dozen lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """One request, taken apart: ``path`` is its decoded segments, ``body`` its JSON or None."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    body: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; a string goes out as HTML, anything else as JSON."""

    status: HTTPStatus
    body: Any


class Application(Protocol):
    """A service: one function from request to answer, called from many threads."""

    def answer(self, request: Request) -> Answer:
        """Answer one request."""


def refusal(status: HTTPStatus, reason: str) -> Answer:
    """Answer with a reason instead of a result."""
    return Answer(status, {"error": reason})


def serve(application: Application, *, port: int | None) -> ThreadingHTTPServer:
    """Return a listening server; connections wait until its ``serve_forever`` runs.

    Args:
        application: what answers.
        port: the one to listen on when it is free; any free one otherwise.
    """

    class Handler(_Handler):
        app = application

    try:
        return _Server(("127.0.0.1", port or 0), Handler)
    except OSError:
        return _Server(("127.0.0.1", 0), Handler)


class _Server(ThreadingHTTPServer):
    # The default of 5 resets connections of whoever comes sixth while the machine is busy.
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    app: ClassVar[Application]
    protocol_version = "HTTP/1.1"
    # Answers are two small writes; waiting to merge them costs 40 ms on a kept connection.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            self._send(refusal(HTTPStatus.BAD_REQUEST, "the body is not JSON"))
            return
        request = Request(
            method=self.command,
            path=tuple(unquote(part) for part in address.path.split("/") if part),
            query={name: values[0] for name, values in parse_qs(address.query).items()},
            session=self.headers.get("Session", ""),
            body=body,
        )
        self._send(self.app.answer(request))

    def _send(self, answer: Answer) -> None:
        html = isinstance(answer.body, str)
        content = answer.body.encode() if html else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html" if html else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Log what went wrong; health checks would drown the rest."""
        if len(args) > 1 and not str(args[1]).startswith("2"):
            sys.stderr.write(f"{self.log_date_time_string()} {format % args}\n")

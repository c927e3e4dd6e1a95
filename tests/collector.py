"""A collector on the loopback: OTLP over HTTP in, spans as plain values out."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Link:
    """What a span links."""

    trace_id: str
    span_id: str
    why: str


@dataclass(frozen=True)
class Seen:
    """One span as it arrived."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    attributes: dict[str, Any]
    links: list[Link]
    events: list[tuple[str, dict[str, Any]]]
    failed: bool
    status: str
    service: str
    scope: str

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]


@dataclass
class Collector:
    """What was exported to it."""

    port: int
    spans: list[Seen] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)
    """Cleared: requests wait."""

    @property
    def environment(self) -> dict[str, str]:
        """What tells a program to export to it."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}"}

    def named(self, name: str, **attributes: Any) -> list[Seen]:
        """The spans of a name, with these attributes (dots written as double underscores)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        return [
            span
            for span in self.spans
            if span.name == name
            and all(span.attributes.get(key) == value for key, value in wanted.items())
        ]

    def one(self, name: str, **attributes: Any) -> Seen:
        """The only span of a name with these attributes."""
        found = self.named(name, **attributes)
        assert len(found) == 1, f"{len(found)} of {name}: {self.spans}"
        return found[0]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a port of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        collector = _Handler.collector = Collector(server.server_port)
        collector.answering.set()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.answering.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    collector: Collector

    def do_POST(self) -> None:
        collector = self.collector
        body = self.rfile.read(int(self.headers["Content-Length"]))
        collector.answering.wait(_PATIENCE_SECONDS)
        collector.paths.append(self.path)
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        collector.spans.extend(read_spans(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def read_spans(body: bytes) -> Iterator[Seen]:
    """Read an ``ExportTraceServiceRequest``."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _plain(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _seen(span, service, scope.scope.name)


def _seen(span: Span, service: str, scope: str) -> Seen:
    return Seen(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_plain(span.attributes),
        links=[
            Link(one.trace_id.hex(), one.span_id.hex(), _plain(one.attributes)["antiphon.link"])
            for one in span.links
        ],
        events=[(one.name, _plain(one.attributes)) for one in span.events],
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        status=span.status.message,
        service=service,
        scope=scope,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)

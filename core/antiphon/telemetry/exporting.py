"""Sending spans to a collector, for a program that is ours: `antiphon run`.

Where to, how often and how much is said by OpenTelemetry's own environment variables.
A thread of its own exports; a collector that is away costs the spans it does not take, and nothing
else: what does not fit into the queue is dropped, and stopping waits for it no longer than asked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from antiphon.telemetry.otlp import Written, encode
from antiphon.telemetry.quick import QuickSpan, QuickTracer

_EVERY_MS = 1000
"""How long a span waits for others: a second, so that a recovery is seen while it runs."""


class Provider(TracerProvider):
    """The SDK's provider, which also gives each service a quick tracer of its own."""

    def __init__(self, services: Sequence[str]) -> None:
        # The SDK's own hook at exit would wait for a collector that is away.
        super().__init__(resource=_resource(services), shutdown_on_exit=False)
        every = None if os.environ.get("OTEL_BSP_SCHEDULE_DELAY") else _EVERY_MS
        self._processor = BatchSpanProcessor(Exporter(), schedule_delay_millis=every)
        self.add_span_processor(self._processor)
        self._scope = InstrumentationScope("antiphon", _version())

    def tracer_for(self, service: str) -> QuickTracer:
        """The tracer for the spans of a service."""

        def ended(span: QuickSpan) -> None:
            written: Any = Written(span)
            self._processor.on_end(written)

        return QuickTracer(_resource([service]), self._scope, self.sampler, ended)


class Exporter(OTLPSpanExporter):
    """The library's exporter, with our spans encoded quickly."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; tries again for as long as OTEL_EXPORTER_OTLP_TIMEOUT says."""
        client = getattr(self, "_client", None)  # the library's own: without it, the long way
        if client is None:
            return super().export(spans)
        sent = client.export(encode(spans)).success
        return SpanExportResult.SUCCESS if sent else SpanExportResult.FAILURE


def export_spans(services: Sequence[str]) -> Callable[[timedelta], bool]:
    """Begin to export the spans of this program.

    Args:
        services: the services it runs, by name.

    Returns:
        What ends it: sends what is left for no longer than it is told, and says whether all that
        could be sent has been.
    """
    provider = Provider(services)
    trace.set_tracer_provider(provider)

    def stop(limit: timedelta) -> bool:
        # A request that is under way can only be left behind; its thread is a daemon.
        ending = threading.Thread(target=provider.shutdown, name="antiphon-spans", daemon=True)
        ending.start()
        ending.join(limit.total_seconds())
        return not ending.is_alive()

    return stop


def _resource(services: Sequence[str]) -> Resource:
    """Who a span is from. What OTEL_SERVICE_NAME says goes before the names of services."""
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    own: dict[str, Any] = {"service.name": services[0] if len(services) == 1 else "antiphon"}
    return Resource.create({} if named else own)


def _version() -> str:
    try:
        return version("antiphon")
    except PackageNotFoundError:
        return ""

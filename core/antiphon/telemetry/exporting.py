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

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from antiphon.telemetry.sampling import sampler

_EVERY_MS = 1000
"""How long a span waits for others: a second, so that a recovery is seen while it runs."""


def export_spans(services: Sequence[str]) -> Callable[[timedelta], bool]:
    """Begin to export the spans of this program.

    Args:
        services: the services it runs, by name.

    Returns:
        What ends it: sends what is left for no longer than it is told, and says whether all that
        could be sent has been.
    """
    said = os.environ.get
    provider = TracerProvider(
        None if said("OTEL_TRACES_SAMPLER") else sampler(),
        _resource(services),
        # The SDK's own hook at exit would wait for a collector that is away.
        shutdown_on_exit=False,
    )
    every = None if said("OTEL_BSP_SCHEDULE_DELAY") else _EVERY_MS
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=every))
    trace.set_tracer_provider(provider)

    def stop(limit: timedelta) -> bool:
        # A request that is under way can only be left behind; its thread is a daemon.
        ending = threading.Thread(target=provider.shutdown, name="antiphon-spans", daemon=True)
        ending.start()
        ending.join(limit.total_seconds())
        return not ending.is_alive()

    return stop


def _resource(services: Sequence[str]) -> Resource:
    """Who the spans are from. What OTEL_SERVICE_NAME says goes before the names of services."""
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    own = {"service.name": services[0] if len(services) == 1 else "antiphon"}
    return Resource.create(None if named else own)

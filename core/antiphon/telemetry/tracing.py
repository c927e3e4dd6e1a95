"""Whether spans are recorded, and by whom. OpenTelemetry is not imported until they are.

Spans go to the tracer provider of the program: that which `antiphon run` sets up, or the one that
a host application has set. Without one nothing is recorded, nothing is imported, and an incoming
`traceparent` is handed on from event to event all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from antiphon.errors import ConfigurationError
from antiphon.recovery import current
from antiphon.settings import Settings
from antiphon.telemetry.traceparent import Traceparent

if TYPE_CHECKING:
    from antiphon.handler import Handler
    from antiphon.telemetry.sending import Sender
    from antiphon.telemetry.spans import HandlerSpans

_API = "opentelemetry.trace"


def handler_spans(settings: Settings, handler: Handler, consumer: str) -> HandlerSpans | None:
    """What records the spans of a handler; None when nobody does.

    Raises:
        ConfigurationError: spans are asked for, and the extra is not installed.
    """
    provider = recording(settings)
    if provider is None:
        return None
    from antiphon.telemetry.spans import HandlerSpans  # noqa: PLC0415  only when it is needed

    return HandlerSpans(provider, handler, cell=settings.cell, consumer=consumer)


def sender(settings: Settings, source: str) -> Sender | None:
    """What records the publishing of events from outside a step; None when nobody does.

    Raises:
        ConfigurationError: spans are asked for, and the extra is not installed.
    """
    provider = recording(settings)
    if provider is None:
        return None
    from antiphon.telemetry.sending import Sender  # noqa: PLC0415  as above

    return Sender(provider, source=source, cell=settings.cell)


def recording(settings: Settings) -> Any:
    """The tracer provider of the program; None when none was set, or spans are switched off.

    Raises:
        ConfigurationError: spans are asked for, and the extra is not installed.
    """
    if settings.otel is False:
        return None
    if settings.otel:
        require()
    api = sys.modules.get(_API)
    if api is None:  # nobody here can have set one
        return None
    provider = api.get_tracer_provider()
    unset = isinstance(provider, api.ProxyTracerProvider | api.NoOpTracerProvider)
    return None if unset else provider


def require() -> None:
    """Make sure that spans can be recorded and exported.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    if not installed():
        raise ConfigurationError(
            "spans are asked for (ANTIPHON_OTEL), and OpenTelemetry is not installed: "
            "pip install 'antiphon[otel]'"
        )


def installed() -> bool:
    """Whether the extra is there, as far as can be told without importing it."""
    try:
        return all(
            map(find_spec, ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"))
        )
    except ModuleNotFoundError:
        return False


def asked_for(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables ask for spans to be exported."""
    get = environment.get
    if get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    chosen = get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if chosen:
        return "otlp" in chosen
    return bool(get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or get("OTEL_EXPORTER_OTLP_ENDPOINT"))


def traceparent_here() -> str | None:
    """The trace context of this task, for an event that is published from it.

    That of the program's current span; else that of the event which is being handled.
    """
    api = sys.modules.get(_API)
    if api is not None:
        context = api.get_current_span().get_span_context()
        if context.is_valid:
            return str(
                Traceparent(context.trace_id, context.span_id, bool(context.trace_flags.sampled))
            )
    running = current.get()
    return running.envelope.traceparent if running is not None else None

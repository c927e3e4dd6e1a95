"""Where a span begins: in the context its event carries, or in one that follows from its ids."""

from __future__ import annotations

from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from antiphon.telemetry.traceparent import Traceparent
from antiphon_events import Envelope

NOTHING = Context()
"""A context in which nothing is current."""
_ALWAYS = ("AlwaysOn", "ParentBased{root:AlwaysOn")
"""What samplers call themselves that drop nothing which begins a trace."""
_UNSAMPLED, _SAMPLED = TraceFlags(TraceFlags.DEFAULT), TraceFlags(TraceFlags.SAMPLED)


class Origin(NamedTuple):
    """Where an event was published."""

    span: SpanContext
    context: Context
    """The same, as the parent of a span."""


class Origins:
    """Finds the origin of events; remembers the last, which several handlers ask for."""

    def __init__(self, provider: Any) -> None:
        self._sampler: Any = getattr(provider, "sampler", None)
        if self._sampler is not None and self._sampler.get_description().startswith(_ALWAYS):
            self._sampler = None

    def of(self, envelope: Envelope) -> Origin:
        """The same as `place`, in OpenTelemetry's terms."""
        span = remote(self.place(envelope))
        return Origin(span, trace.set_span_in_context(NonRecordingSpan(span), NOTHING))

    def place(self, envelope: Envelope) -> Traceparent:
        """Where an event was published; derived from its ids when it does not say."""
        parsed = Traceparent.read(envelope.traceparent)
        if parsed is None:
            parsed = Traceparent.of_recovery(envelope.correlation_id, envelope.id)
            if self._sampler is not None and not self._samples(parsed.trace_id):
                parsed = parsed._replace(sampled=False)
        return parsed

    def _samples(self, trace_id: int) -> bool:
        """Ask the provider's sampler, as for the root of a trace, which this stands for."""
        result = self._sampler.should_sample(NOTHING, trace_id, "recovery")
        return bool(result.decision.is_sampled())


def remote(place: Traceparent) -> SpanContext:
    """The same for OpenTelemetry: a span of another process."""
    flags = _SAMPLED if place.sampled else _UNSAMPLED
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=flags)

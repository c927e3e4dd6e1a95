"""Where a span begins: in the context its event carries, or in one that follows from its ids."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from antiphon.telemetry.traceparent import Traceparent
from antiphon_events import Envelope

NOTHING = Context()
"""A context in which nothing is current."""
OURS: Final = "AntiphonRateBounded"
"""What our own sampler calls itself."""

_ALWAYS = ("AlwaysOn", "ParentBased{root:AlwaysOn")
"""What samplers call themselves that drop nothing which begins a trace."""
_UNSAMPLED, _SAMPLED = TraceFlags(TraceFlags.DEFAULT), TraceFlags(TraceFlags.SAMPLED)


class Origin(NamedTuple):
    """Where an event was published."""

    span: SpanContext
    dropped: bool
    """Whether nothing is recorded there, and nobody needs to be asked."""

    @property
    def context(self) -> Context:
        """The same, as the parent of a span."""
        return trace.set_span_in_context(NonRecordingSpan(self.span), NOTHING)


class Origins:
    """Finds the origin of events, by the sampler of a tracer provider.

    Of our own sampler it is known that what is not sampled is dropped, whatever it is; of others
    it is not, so they are asked about each span.
    """

    def __init__(self, provider: Any) -> None:
        self._sampler: Any = getattr(provider, "sampler", None)
        name = self._sampler.get_description() if self._sampler is not None else ""
        if name.startswith(_ALWAYS):
            self._sampler = None
        self._drops = name.startswith(f"ParentBased{{root:{OURS}")

    def of(self, envelope: Envelope) -> Origin:
        """Where an event was published; derived from its ids when it does not say."""
        place = Traceparent.read(envelope.traceparent)
        if place is None:
            place = Traceparent.of_recovery(envelope.correlation_id, envelope.id)
            if self._sampler is not None and not self._samples(place.trace_id):
                place = place._replace(sampled=False)
        return Origin(remote(place), self._drops and not place.sampled)

    def _samples(self, trace_id: int) -> bool:
        """Ask the provider's sampler, as for the root of a trace, which this stands for.

        Samplers take the latter half of a trace id for a random number. That of a UUID is none: it
        begins with the same bits in all of them.
        """
        random = hashlib.blake2b(trace_id.to_bytes(16), digest_size=16).digest()
        result = self._sampler.should_sample(NOTHING, int.from_bytes(random), "recovery")
        return bool(result.decision.is_sampled())


def remote(place: Traceparent) -> SpanContext:
    """The same for OpenTelemetry: a span of another process."""
    flags = _SAMPLED if place.sampled else _UNSAMPLED
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=flags)

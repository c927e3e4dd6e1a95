"""Spans that cost little: OpenTelemetry's interface, without what the SDK does for every span.

The SDK's spans are made for any program: each attribute is checked, copied and locked for, which
takes longer than admitting a delivery does. Ours come from one place, which gives them sound
attributes, and one task has each of them. They end in the same processor, and are exported with the
SDK's own, which the user's code and its libraries go on to make.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from time import time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from antiphon.telemetry.attributes import Attributes, Fixed
from antiphon.telemetry.traceparent import Traceparent

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_PLAIN = (str, bool, int, float)
_NONE = Fixed()


class QuickSpan(trace.Span):
    """A span that is recorded; what the SDK's exporters read of a span, it has."""

    dropped_attributes = dropped_events = dropped_links = 0

    def __init__(  # noqa: PLR0917 - it is built for every step, and a name costs time
        self,
        tracer: QuickTracer,
        name: str,
        trace_id: int,
        span_id: int,
        parent_id: int,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link],
        start_time: int,
        *,
        remote: bool = True,
        state: TraceState | None = None,
    ) -> None:
        self.name = name
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        """0 for the root of a trace."""
        self.remote = remote
        """Whether its parent is a span of another process."""
        self.state = state
        self.kind = kind
        self.attributes = attributes
        self.links = links
        self.start_time = start_time
        self.end_time: int | None = None
        self.events: list[Event] = []
        self.status = _UNSET
        self.tracer = tracer

    @cached_property
    def context(self) -> SpanContext:
        """Its place in its trace; few ask for it in this form."""
        return SpanContext(self.trace_id, self.span_id, False, _SAMPLED, self.state)

    @property
    def parent(self) -> SpanContext | None:
        """Its parent's place."""
        if self.parent_id == 0:
            return None
        return SpanContext(self.trace_id, self.parent_id, self.remote, _SAMPLED, self.state)

    @property
    def resource(self) -> Resource:
        """The service it belongs to."""
        return self.tracer.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """Who made it."""
        return self.tracer.scope

    def get_span_context(self) -> SpanContext:
        """Its place in its trace."""
        return self.context

    def is_recording(self) -> bool:
        """Whether it has not ended."""
        return self.end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute; what is none is written as text."""
        if self.end_time is None:
            attributes = self.attributes
            attributes[key] = value if type(value) in _PLAIN else _sound(value)
            if attributes.fixed is not None and key in attributes.fixed:
                attributes.fixed = None

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        """Add what happened meanwhile."""
        if self.end_time is None:
            said = {key: _sound(value) for key, value in (attributes or {}).items()}
            self.events.append(Event(name, said, timestamp or time_ns()))

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """Link another span."""
        if self.end_time is None:
            self.links = [*self.links, Link(context, attributes)]

    def update_name(self, name: str) -> None:
        """Give it another name."""
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Say how it went; what went well is not said to have failed later."""
        if self.end_time is None and self.status.status_code is not StatusCode.OK:
            self.status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - OpenTelemetry's signature
    ) -> None:
        """Add an exception with its traceback."""
        kind = type(exception)
        said = {
            "exception.type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**said, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End it: from now on it is to be exported."""
        if self.end_time is None:
            self.end_time = end_time or time_ns()
            self.tracer.ended(self)


class QuickTracer(trace.Tracer):
    """Makes the spans of one service."""

    def __init__(
        self,
        resource: Resource,
        scope: InstrumentationScope,
        sampler: Sampler,
        ended: Callable[[QuickSpan], None],
    ) -> None:
        self.resource = resource
        self.scope = scope
        self._sampler = sampler
        self._by_parent = sampler is DEFAULT_ON  # which goes on with what a trace began with
        self.ended = ended
        """Told of each span that has ended."""

    def start_span(  # noqa: PLR0917 - OpenTelemetry's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: ARG002, FBT001, FBT002 - OpenTelemetry's signature
        set_status_on_exception: bool = True,  # noqa: ARG002, FBT001, FBT002 - the same
    ) -> trace.Span:
        """Start a span, if the sampler wants it. The attributes become the span's own."""
        parent = trace.get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else random.getrandbits(128) or 1
        span_id = random.getrandbits(64) or 1
        if type(attributes) is not Attributes:
            given, attributes = attributes or {}, Attributes(_NONE)
            attributes.update((key, _sound(value)) for key, value in given.items())
        state: TraceState | None = parent.trace_state
        if not (self._by_parent and parent.is_valid and parent.trace_flags & TraceFlags.SAMPLED):
            ask = self._sampler.should_sample
            sampled = ask(context, trace_id, name, kind, attributes, links)
            if sampled.decision is Decision.DROP:
                return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False))
            if sampled.attributes:
                attributes.update(sampled.attributes)
            state = sampled.trace_state
        return QuickSpan(
            self,
            name,
            trace_id,
            span_id,
            parent.span_id if parent.is_valid else 0,
            kind,
            attributes,
            links or (),
            start_time or time_ns(),
            remote=parent.is_remote,
            state=state,
        )

    def child(
        self, name: str, place: Traceparent, attributes: Attributes, links: Sequence[Link]
    ) -> QuickSpan | None:
        """Start the span of a step where its event was published; None if the sampler is to say.

        It is `start_span` without the objects on the way, for what is done most often.
        """
        if not (self._by_parent and place.sampled):
            return None
        span_id = random.getrandbits(64) or 1
        kind, trace_id, parent_id = SpanKind.CONSUMER, place.trace_id, place.span_id
        return QuickSpan(
            self, name, trace_id, span_id, parent_id, kind, attributes, links, time_ns()
        )

    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Start a span that is the current one within the block, and ends with it."""
        end = kwargs.pop("end_on_exit", True)
        return trace.use_span(self.start_span(name, *args, **kwargs), end_on_exit=end)


_UNSET = Status(StatusCode.UNSET)


def _sound(value: Any) -> Any:
    """A value as an attribute may be: text, a number, a truth value, or several of them."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return tuple(one if isinstance(one, _PLAIN) else str(one) for one in value)
    return str(value)

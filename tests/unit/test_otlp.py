"""Spans as bytes: what we write is what the library would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags

from antiphon.telemetry import attributes as a
from antiphon.telemetry.attributes import Attributes, Fixed
from antiphon.telemetry.otlp import Written, encode
from antiphon.telemetry.quick import QuickSpan, QuickTracer

texts = st.text(max_size=200)
scalars = texts | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
values = scalars | st.lists(texts, max_size=3).map(tuple) | st.lists(st.integers(0, 9)).map(tuple)
names = st.sampled_from([a.SUBJECT, a.ATTEMPT, a.PUBLISHED, a.OUTCOME, "of.the.user"]) | st.text(
    min_size=1, max_size=200
)
attributes = st.dictionaries(names, values, max_size=6)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.just(TraceFlags(1)),
)
links = st.lists(st.builds(Link, contexts, attributes), max_size=2)


def tracer(ended: list[QuickSpan], name: str = "shop") -> QuickTracer:
    return QuickTracer(
        Resource({"service.name": name}),
        InstrumentationScope("antiphon", "1"),
        DEFAULT_ON,
        ended.append,
    )


@st.composite
def spans(draw: st.DrawFn) -> QuickSpan:
    given_attributes = Attributes(Fixed(draw(attributes)))
    given_attributes.update(draw(st.dictionaries(st.text("xyz", min_size=8), values, max_size=3)))
    span = QuickSpan(
        tracer([]),
        draw(texts),
        draw(st.integers(1, 2**128 - 1)),
        draw(st.integers(1, 2**64 - 1)),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.sampled_from(SpanKind)),
        given_attributes,
        draw(links),
        draw(st.integers(1, 2**63)),
        remote=draw(st.booleans()),
    )
    for key, value in draw(attributes).items():
        span.set_attribute(key, value)
    if draw(st.booleans()):
        span.add_event(draw(texts), draw(attributes), draw(st.integers(1, 2**63)))
    if draw(st.booleans()):
        span.set_status(StatusCode.ERROR, draw(texts))
    span.end_time = span.start_time + 1
    return span


@given(st.lists(spans(), min_size=1, max_size=3))
def test_the_bytes_say_what_the_library_would(ours: list[QuickSpan]) -> None:
    """Every field of every span is there, and nothing else."""
    theirs: Any = ours
    for one, other in zip(
        _spans(ExportTraceServiceRequest.FromString(encode([Written(span) for span in ours]))),
        _spans(encode_spans(theirs)),
        strict=True,
    ):
        assert one == other


def test_our_spans_and_the_users_travel_together() -> None:
    """One request holds both, each with its own resource and scope."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "app"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    provider.get_tracer("the.users.own").start_span("mine").end()
    ended: list[QuickSpan] = []
    for service in ("shop", "edge"):
        tracer(ended, service).start_span(f"process {service}").end()
    read = ExportTraceServiceRequest.FromString(
        encode([Written(ended[0]), *kept.get_finished_spans(), Written(ended[1])])
    )
    found = {
        (resource.resource.attributes[0].value.string_value, scope.scope.name, span.name)
        for resource in read.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert found == {
        ("app", "the.users.own", "mine"),
        ("shop", "antiphon", "process shop"),
        ("edge", "antiphon", "process edge"),
    }


def test_a_span_that_is_not_sampled_is_not_made() -> None:
    """It has a place in its trace, records nothing, and never ends up in a queue."""
    ended: list[QuickSpan] = []
    quiet = QuickTracer(Resource({}), InstrumentationScope("x"), ALWAYS_OFF, ended.append)
    span = quiet.start_span("process shop")
    span.end()
    assert span.get_span_context().is_valid
    assert not span.is_recording()
    assert ended == []


def test_a_span_that_ended_changes_no_more() -> None:
    """What is exported is what was there at the end."""
    ended: list[QuickSpan] = []
    span = tracer(ended).start_span("process shop", attributes={"a": 1})
    span.end()
    changes: list[Callable[[], object]] = [
        lambda: span.set_attribute("b", 2),
        lambda: span.add_event("late"),
        lambda: span.update_name("other"),
        lambda: span.set_status(StatusCode.ERROR, "late"),
        lambda: span.record_exception(ValueError("late")),
        span.end,
    ]
    for change in changes:
        change()
    [only] = ended
    assert (dict(only.attributes), only.events, only.name) == ({"a": 1}, [], "process shop")
    assert only.status.status_code is StatusCode.UNSET


def test_what_is_no_attribute_is_written_as_text() -> None:
    """A user's slip costs no span."""
    ended: list[QuickSpan] = []
    with tracer(ended).start_as_current_span("process shop") as span:
        span.set_attributes({"object": ValueError("x"), "mixed": [1, None]})
    [only] = ended
    assert only.attributes["object"] == "x"
    assert only.attributes["mixed"] == (1, "None")
    ExportTraceServiceRequest.FromString(encode([Written(only)]))


def _spans(request: ExportTraceServiceRequest) -> list[Any]:
    return [
        (resource.resource, scope.scope, span)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]

"""The spans of publishing from outside a step: where most recoveries begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanKind

from antiphon.telemetry import attributes as a
from antiphon.telemetry.harmless import Harmless
from antiphon.telemetry.origins import remote
from antiphon.telemetry.spans import tracer_of
from antiphon.telemetry.traceparent import Traceparent
from antiphon_events import Envelope, Event

if TYPE_CHECKING:
    from antiphon.publisher import Receipt


class Sender:
    """Records what a publisher publishes."""

    def __init__(self, provider: Any, *, source: str, cell: str) -> None:
        self._harmless = Harmless()
        self._tracer = tracer_of(provider)
        self._fixed = {
            a.SYSTEM: "redis",
            a.OPERATION_NAME: "send",
            a.OPERATION_TYPE: "send",
            a.SERVICE: source,
            a.CELL: cell,
        }

    @contextmanager
    def sending(self, event: Event, stream: str, known: Envelope | None) -> Iterator[Sent]:
        """Record the publishing of an event; within, its span is the current one.

        Args:
            event: what is published.
            stream: the key of the stream of its type.
            known: its envelope, when it was tried before; its context is linked.
        """
        before = Traceparent.read(known.traceparent) if known else None
        span: Span = trace.INVALID_SPAN
        with self._harmless:
            span = self._tracer.start_span(
                f"send {event.type}",
                kind=SpanKind.PRODUCER,
                attributes={
                    **self._fixed,
                    a.DESTINATION: stream,
                    a.EVENT_TYPE: event.type,
                    a.SUBJECT: event.subject,
                },
                links=[Link(remote(before), {a.LINK: "event"})] if before else None,
            )
        try:
            with trace.use_span(span):
                yield Sent(span)
        finally:
            with self._harmless:
                span.end()


class Sent:
    """The span of one event that is published."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def done(self, receipt: Receipt) -> None:
        """Say what became of it, and which recovery it belongs to."""
        span = self._span
        span.set_attribute(a.MESSAGE_ID, receipt.event_id)
        span.set_attribute(a.CONVERSATION_ID, receipt.correlation_id)
        if receipt.entry_id:
            span.set_attribute(a.ENTRY, receipt.entry_id)
        if receipt.repeated:
            span.set_attribute(a.REPEATED, True)
        if receipt.coalesced:
            span.set_attribute(a.COALESCED, True)

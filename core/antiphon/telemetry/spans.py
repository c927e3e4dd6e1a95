"""The spans of one handler: one for each attempt, and a short one where a guard decided against it.

Only OpenTelemetry's API is used, so any tracer provider will do. A span begins as a child of the
context that its event carries, and links what else led to it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, assert_never

import orjson
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
)

from antiphon.broker.calls import Lease
from antiphon.broker.replies import (
    Admission,
    Arrived,
    Closed,
    Duplicate,
    Late,
    NotOurs,
    OnHold,
    Outrun,
    Run,
    Suppressed,
    Waiting,
)
from antiphon.delivery import Delivery
from antiphon.duration import milliseconds
from antiphon.handler import Handler
from antiphon.outcome import Dead, Deferred, Done, Outcome, Retrying
from antiphon.telemetry import attributes as a
from antiphon.telemetry.harmless import Harmless
from antiphon.telemetry.metrics import Ending
from antiphon.telemetry.origins import NOTHING, Origin, Origins, remote
from antiphon.telemetry.traceparent import Traceparent

_REMEMBERED = 1024
"""How many deliveries wait at most for an attempt that will link the one before."""

_PROCESS, _ADMIT = "process", "admit"
_OPERATIONS = {
    _PROCESS: {a.OPERATION_NAME: _PROCESS, a.OPERATION_TYPE: _PROCESS},
    _ADMIT: {a.OPERATION_NAME: _ADMIT},  # the conventions have no type for it
}

Said = dict[str, Any]
"""Some attributes of a span."""

_WHY: dict[str, Said] = {why: {a.LINK: why} for why in ("branch", "attempt", "undone")}


class HandlerSpans:
    """Records what becomes of a handler's deliveries in this process."""

    def __init__(self, provider: Any, handler: Handler, *, cell: str, consumer: str) -> None:
        self.harmless = Harmless()
        self._tracer = tracer_of(provider)
        self._origins = Origins(provider)
        self._attempts: OrderedDict[str, SpanContext] = OrderedDict()
        self._process, self._admit = f"process {handler.group}", f"admit {handler.group}"
        self._here = {
            a.SYSTEM: "redis",
            a.GROUP: handler.group,
            a.CLIENT: consumer,
            a.CELL: cell,
            a.SERVICE: handler.service,
        }

    def begin(self, lease: Lease, run: Run) -> StepSpan:
        """Begin the span of an attempt, and make it the current one of this task.

        What the attempt publishes carries its context from here on.
        """
        d = lease.delivery
        span: Span = trace.INVALID_SPAN
        with self.harmless:
            origin = self._origins.of(d.envelope)
            span = (
                NonRecordingSpan(origin.span) if origin.dropped else self._start(lease, run, origin)
            )
            # The task is this delivery's alone: nobody needs what was attached before.
            contexts.attach(trace.set_span_in_context(span, NOTHING))
            d.traceparent = _written(span)
        return StepSpan(span, self, d)

    def refused(self, delivery: Delivery, why: Admission) -> None:
        """Record that a delivery does not run now, or not at all; a hold once, when it begins."""
        decision, more = _decision(why)
        if decision:
            self.decided(delivery, decision, **more)

    def decided(self, delivery: Delivery, decision: str, **more: Any) -> None:
        """Record a decision against running a delivery."""
        with self.harmless:
            origin = self._origins.of(delivery.envelope)
            if not origin.dropped:
                said = {**self._about(delivery, _ADMIT), a.DECISION: decision, **more}
                self._tracer.start_span(self._admit, origin.context, SpanKind.INTERNAL, said).end()

    def remember(self, name: str, span: SpanContext) -> None:
        """Keep where an attempt was, for the next one to link."""
        self._attempts[name] = span
        if len(self._attempts) > _REMEMBERED:
            self._attempts.popitem(last=False)

    def _start(self, lease: Lease, run: Run, origin: Origin) -> Span:
        """Start the span of an attempt where its event was published."""
        d = lease.delivery
        attributes = self._about(d, _PROCESS)
        attributes[a.ATTEMPT] = lease.attempt
        attributes[a.TOKEN] = lease.token
        if run.previous:
            attributes[a.TAKEN_OVER_FROM] = run.previous
        if run.branches:
            attributes[a.BRANCHES] = tuple(run.branches)
        if d.undo:
            attributes[a.UNDO] = True
        if run.unapproved:
            attributes[a.UNAPPROVED] = run.unapproved
        return self._tracer.start_span(
            self._process,
            origin.context,
            SpanKind.CONSUMER,
            attributes,
            self._links(d, run, origin.span),
            record_exception=False,
            set_status_on_exception=False,
        )

    def _about(self, d: Delivery, operation: str) -> Said:
        e = d.envelope
        attributes: Said = {
            **self._here,
            **_OPERATIONS[operation],
            a.DESTINATION: d.stream,
            a.EVENT_TYPE: d.type,
            a.MESSAGE_ID: e.id,
            a.CONVERSATION_ID: e.correlation_id,
            a.SUBJECT: e.subject,
            a.HOPS: e.hops,
            a.ENTRY: d.entry_id,
        }
        if e.causation_id:
            attributes[a.CAUSATION_ID] = e.causation_id
        if e.parent:
            attributes[a.PARENT] = e.parent
        return attributes

    def _links(self, d: Delivery, run: Run, event: SpanContext) -> list[Link]:
        """What led to an attempt beside its event: other branches, the attempt before it."""
        links: list[Link] = []
        if run.branches:
            links += _once(_branches(run), "branch", {event.span_id})
        if d.undo is not None:
            links += _once(_done_by(d), "undone", set())
        if self._attempts and (before := self._attempts.pop(d.name, None)):
            links.append(_link(before, "attempt"))
        return links


class StepSpan:
    """The span of one attempt, from its lease to its outcome."""

    __slots__ = ("_delivery", "_of", "_span")

    def __init__(self, span: Span, of: HandlerSpans, delivery: Delivery) -> None:
        self._span = span
        self._of = of
        self._delivery = delivery

    def end(self, outcome: Outcome | None, ending: Ending | None) -> None:
        """Say how the attempt ended.

        Args:
            outcome: what its handler's result or error meant; None when the program is stopped in
                the middle of it.
            ending: what the server made of that.
        """
        with self._of.harmless:
            if self._span.is_recording():
                self._end(outcome, ending or "abandoned")

    def _end(self, outcome: Outcome | None, ending: Ending) -> None:
        span = self._span
        span.set_attribute(a.OUTCOME, ending)
        if ending == "completed" and isinstance(outcome, Done):
            if outcome.events:
                span.set_attribute(a.PUBLISHED, tuple(event.type for event in outcome.events))
        elif ending != "released":
            self._explain(outcome, ending)
        span.end()

    def _explain(self, outcome: Outcome | None, ending: Ending) -> None:
        """Say why it did not complete, and keep where it was for the attempt that follows."""
        span = self._span
        if isinstance(outcome, Retrying | Deferred) and ending in {"retrying", "deferred"}:
            span.set_attribute(a.DELAY, milliseconds(outcome.delay))
        if ending in {"retrying", "deferred"}:
            self._of.remember(self._delivery.name, span.get_span_context())
        if isinstance(outcome, Deferred) and ending == "deferred":
            span.set_attributes(_guard(outcome))
        elif ending == "abandoned":
            span.set_status(StatusCode.ERROR, "the lease was lost" if outcome else "it was stopped")
        elif isinstance(outcome, Retrying | Dead):
            span.set_status(StatusCode.ERROR, outcome.error)
            if outcome.cause is not None:
                span.set_attribute(a.ERROR_TYPE, _name_of(outcome.cause))
                span.record_exception(outcome.cause)
        else:
            span.set_status(StatusCode.ERROR, "what it published could not be written")


def _written(span: Span) -> str:
    """The context of a span, as events carry it."""
    place = span.get_span_context()
    sampled = bool(place.trace_flags & TraceFlags.SAMPLED)
    return str(Traceparent(place.trace_id, place.span_id, sampled))


def tracer_of(provider: Any) -> Tracer:
    """The tracer for the spans of this library."""
    tracer: Tracer = provider.get_tracer("antiphon", _version())
    return tracer


@cache
def _version() -> str | None:
    try:
        return version("antiphon")
    except PackageNotFoundError:
        return None


def _decision(why: Admission) -> tuple[str, Said]:  # noqa: PLR0911 - one for each
    """What is said of an admission that was not granted; nothing of what is no news."""
    match why:
        case OnHold(fresh=fresh):
            return ("held", _guard(why)) if fresh else ("", {})
        case Suppressed(why=reason):
            return "suppressed", {**_guard(why), a.REASON: reason}
        case Duplicate(of):
            return "duplicate", {a.OF: of}
        case Waiting(of):
            return "waiting", {a.OF: of}
        case Arrived():
            return "joined", {}
        case Outrun(by):
            return "outrun", {a.OF: by}
        case Late():
            return "late", {}
        case NotOurs() | Closed():
            return "", {}
        case Run():
            raise AssertionError(why)
        case _:
            assert_never(why)


def _guard(why: OnHold | Suppressed | Deferred) -> Said:
    return {
        a.GUARD: why.guard,
        a.GUARD_NAME: why.name,
        a.GUARD_LIMIT: why.limit,
        a.GUARD_VALUE: why.value,
    }


def _link(span: SpanContext, why: str) -> Link:
    return Link(span, _WHY[why])


def _once(found: Iterator[str | None], why: str, known: set[int]) -> Iterator[Link]:
    """Link contexts as events carry them, each once."""
    for text in found:
        parsed = Traceparent.read(text)
        if parsed is not None and parsed.span_id not in known:
            known.add(parsed.span_id)
            yield _link(remote(parsed), why)


def _branches(run: Run) -> Iterator[str | None]:
    """The trace context of every event that completed a join."""
    for kept in run.branches.values():
        yield orjson.loads(kept)[-1].get("traceparent")


def _done_by(d: Delivery) -> Iterator[str | None]:
    """The trace context of the step that is undone, which what it published has carried."""
    for row in d.undo.published if d.undo else ():
        fields = row["fields"]
        yield dict(zip(fields[::2], fields[1::2], strict=True)).get("traceparent")


def _name_of(error: BaseException) -> str:
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )

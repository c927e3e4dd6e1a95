"""What a delivery sends on its way: the events of an outcome, with their envelopes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from antiphon.broker.calls import Lease, Outgoing
from antiphon.delivery import Delivery
from antiphon.duration import milliseconds
from antiphon.errors import PermanentError
from antiphon.flow.undoing import plan
from antiphon.outcome import Done, describe
from antiphon.telemetry.logging import get_logger
from antiphon_events import Event, Failure, StepFailed, uuid7


def outgoings(delivery: Delivery, done: Done) -> Iterator[Outgoing]:
    """Everything a completed step brings: now, later, and as recoveries of their own.

    Raises:
        PermanentError: an event's data cannot be JSON.
    """
    cause, handler = delivery.envelope, delivery.handler
    for event in done.events:
        yield addressed(event, delivery)
    for event, after in done.later:
        out = addressed(event, delivery)
        yield replace(out, how=milliseconds(after), by=handler.group)
    for child, event in done.children:
        out = addressed(event, delivery)
        envelope = replace(
            out.envelope, id=child, correlation_id=child, parent=cause.correlation_id
        )
        yield replace(out, envelope=envelope, how="child")


def answers_for(lease: Lease, error: str, max_payload_bytes: int) -> Sequence[Outgoing]:
    """What is published when a step is given up: what its handler declares, and `StepFailed`."""
    delivery, handler = lease.delivery, lease.delivery.handler
    if delivery.undo is not None:
        return ()
    told = StepFailed(
        subject=delivery.envelope.subject,
        step=handler.group,
        event_type=delivery.type,
        event_id=delivery.envelope.id,
        attempts=lease.attempt,
        error=error,
    )
    heard: tuple[Outgoing, ...] = ()
    if delivery.type != StepFailed.type:  # or its handler would hear of itself
        heard = (replace(addressed(told, delivery), how="heard"),)
    if delivery.event is None:
        return heard
    try:
        failure = handler.course.failure(delivery.event, error)
        if failure is None:
            return heard
        answer = addressed(failure, delivery)
    except Exception as broken:  # noqa: BLE001 - a step that dies must not be kept from dying
        get_logger().error("on_failure.failed", group=handler.group, error=describe(broken))
        return heard
    if len(answer.data) > max_payload_bytes:
        get_logger().error("on_failure.failed", group=handler.group, error="its event is too large")
        return heard
    return (answer, *heard)


def undo_plan(lease: Lease, done: Done, outgoing: Sequence[Outgoing]) -> bytes:
    """How this completion is undone, for the recovery's plan; empty when it is not."""
    delivery, handler = lease.delivery, lease.delivery.handler
    if handler.course.undo is None or delivery.undo is not None or delivery.event is None:
        return b""
    return plan(
        handler.group,
        lease.token,
        # The data is up to date, whatever version it was written in.
        replace(delivery.envelope, version=delivery.event.version),
        delivery.event.data_json(),
        delivery.key,
        branches=done.branches,
        published=[(out.envelope, out.data) for out in outgoing if out.how == ""],
    )


def addressed(event: Event, delivery: Delivery) -> Outgoing:
    """An event of a handler, with the correlation and causation of what it answers.

    Raises:
        PermanentError: its data cannot be JSON.
    """
    try:
        data = event.data_json()
    except Exception as error:
        raise PermanentError(f"{event.type} cannot be written: {error}") from error
    envelope = delivery.envelope.answer(
        uuid7(),
        source=delivery.handler.service,
        type=event.type,
        subject=event.subject,
        version=event.version,
        time=datetime.now(UTC),
        traceparent=delivery.traceparent,
    )
    return Outgoing(envelope, data, isinstance(event, Failure))

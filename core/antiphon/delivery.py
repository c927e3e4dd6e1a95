"""A delivery: one entry, decoded for one handler."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from antiphon.errors import UndecodableEvent
from antiphon.flow.join import branch_name
from antiphon.flow.undoing import UNDO, Undoing
from antiphon.handler import Handler
from antiphon_events import Envelope, Event, UndecodableData, UndecodableFields, decode

INBOX = "inbox"
REQUESTER = b"requester"
"""The field that tells a child who asked for its parent."""

_LONGEST_KEY = 256


@dataclass(slots=True, kw_only=True)
class Delivery:
    """What arrived, and whether it can be acted on."""

    handler: Handler
    stream: str
    label: str
    """The event type of the stream it was read from, or `INBOX`."""
    entry_id: str
    envelope: Envelope
    wanted: bool = True
    """Whether the handler's subjects and predicates match."""
    event: Event | None = None
    """None when it is unwanted by its subject, or when `flaw` says why it cannot be read."""
    flaw: UndecodableEvent | None = None
    branch: str = ""
    """The branch of the handler's join it arrived on; empty without a join."""
    key: str = ""
    """The idempotency key: names the effect."""
    resource: str = ""
    """What it holds exclusively; empty when nothing."""
    circuit: str = ""
    """The breaker it passes; empty without one."""
    undo: Undoing | None = None
    """What it is to undo; None when it is to be done."""
    requester: str = ""
    """Who asked for the recovery that its event opens, when it is a child; else its source did."""
    traceparent: str | None = None
    """The trace context that its own events carry: that of its attempt's span, when one is
    recorded, else its event's."""

    @property
    def name(self) -> str:
        """What the scripts call it: type or `inbox`, entry, group."""
        return f"{self.label}|{self.entry_id}|{self.handler.group}"

    @property
    def type(self) -> str:
        """The type under which it is counted: that of its stream, whatever the entry claims."""
        return self.envelope.type if self.label == INBOX else self.label


def receive(
    handler: Handler,
    *,
    stream: str,
    label: str,
    entry_id: str,
    fields: Mapping[bytes, bytes],
    max_payload_bytes: int,
) -> Delivery:
    """Decode an entry for a handler.

    Never raises: an entry nobody can read becomes a delivery with a flaw, under whatever
    correlation id can still be read.
    """
    place = {"stream": stream, "entry_id": entry_id, "default_type": _default_type(handler, label)}
    flaw, nameless = None, False
    try:
        envelope = Envelope.from_fields(fields, **place)
    except UndecodableFields as error:
        envelope, flaw = Envelope.fallback(fields, **place), UndecodableEvent(str(error))
        nameless = error.attribute == "subject"
    delivery = Delivery(
        handler=handler,
        stream=stream,
        label=label,
        entry_id=entry_id,
        envelope=envelope,
        flaw=flaw,
        key=envelope.id,
        traceparent=envelope.traceparent,
        requester=fields.get(REQUESTER, b"").decode("utf-8", "replace") if envelope.parent else "",
    )
    # An entry whose subject cannot be read may be anybody's: every handler of its type buries it.
    kept = fields.get(UNDO) if label == INBOX else None
    # What was done is undone, whatever its handler would want by now.
    delivery.wanted = kept is not None or nameless or handler.may_want(envelope.subject)
    if delivery.wanted and flaw is None:
        try:
            if kept is not None:
                delivery.undo = Undoing.read(kept)
            _decode(delivery, fields.get(b"data") or b"{}", max_payload_bytes)
        except (UndecodableEvent, UndecodableData) as error:
            delivery.event, delivery.flaw = None, UndecodableEvent(str(error))
    return delivery


def _default_type(handler: Handler, label: str) -> str:
    return next(iter(handler.kinds)) if label == INBOX else label


def _decode(delivery: Delivery, data: bytes, max_payload_bytes: int) -> None:
    """Check the size before anything is parsed; then decode, select, and name the effect."""
    handler, envelope = delivery.handler, delivery.envelope
    if len(data) > max_payload_bytes:
        raise UndecodableEvent(
            f"its data is {len(data):,} bytes, and {max_payload_bytes:,} are allowed"
        )
    kind = handler.kinds.get(delivery.type)
    if kind is None:
        raise UndecodableEvent(f"{handler.group} does not react to {delivery.type!r}")
    event = delivery.event = decode(kind, envelope, data)
    try:
        if delivery.undo is None:
            selected = handler.select(event)
            delivery.wanted = selected is not None
            if selected is None:
                return
            delivery.key = _shortened(_effect(handler, event, envelope))
            delivery.branch = branch_name(selected) if handler.join else ""
        delivery.resource = _shortened(handler.resource(event, envelope.id))
        delivery.circuit = _shortened(handler.circuit(event, envelope.id))
    except Exception as error:
        raise UndecodableEvent(f"the predicate or key of {handler.group}: {error!r}") from error


def _effect(handler: Handler, event: Event, envelope: Envelope) -> str:
    if handler.join:
        return envelope.correlation_id
    # What the publisher named the effect counts as the event's id: the same twice is done once.
    return handler.effect(event, envelope.idempotency_key or envelope.id)


def _shortened(key: str) -> str:
    raw = key.encode()  # or fails: what cannot be encoded can be no key
    return key if len(raw) <= _LONGEST_KEY else hashlib.sha256(raw).hexdigest()

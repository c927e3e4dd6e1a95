"""Script calls for one delivery: keys and arguments in the order the scripts' headers give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from antiphon.broker.asks import Asks, limits_of, onset
from antiphon.broker.scripts import Argument, Call, script
from antiphon.delivery import INBOX, Delivery
from antiphon.duration import milliseconds
from antiphon.flow.undoing import texts
from antiphon.guards.breaker import Ended
from antiphon.handler import Handler
from antiphon.keys import Keys
from antiphon.outcome import Deferred
from antiphon.settings import Settings
from antiphon_events import (
    ApprovalExpired,
    ApprovalRequested,
    Envelope,
    Failure,
    Lifecycle,
    RecoveryEscalated,
    RecoveryHalted,
    RecoveryStalled,
    event_class,
)

_STREAM, _DUE, _KEY, _HELD = 15, 18, 25, 28
"""Where `admit.lua` has the stream, the due zset, the idempotency key and the held deliveries."""

_ALARMS = frozenset(
    {
        RecoveryHalted.type,
        RecoveryEscalated.type,
        RecoveryStalled.type,
        ApprovalRequested.type,
        ApprovalExpired.type,
    }
)
"""How people get to know that something is held: nothing holds these."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to settle a delivery, while it lasts."""

    delivery: Delivery
    owner: str
    """Names the very call that took the lease."""
    attempt: int
    failures: int
    token: int
    keys: Sequence[str]
    """The keys it was taken with, in the order of `admit.lua`."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event ready to be written."""

    envelope: Envelope
    data: bytes
    failure: bool
    how: str | int = ""
    """``""`` now, ``heard`` if somebody subscribes, ``child`` as a recovery of its own, or in how
    many milliseconds."""
    by: str = ""
    """The group that publishes it."""


class Calls:
    """Builds the calls of one consumer in one cell."""

    def __init__(self, keys: Keys, settings: Settings, consumer: str) -> None:
        self._keys = keys
        self._consumer = consumer
        self._record_ms = milliseconds(settings.record_retention)
        self._key_ms = milliseconds(settings.key_retention)
        self._lease_ms = milliseconds(settings.lease)
        self._settings = settings
        self._onsets: dict[str, str] = {}
        self._asks: dict[str, Asks] = {}

    def admit(
        self, d: Delivery, owner: str, payload: bytes, over: str = "", *, named: bool = False
    ) -> Call:
        """Check everything, then take the lease.

        Args:
            d: the delivery.
            owner: names this very call.
            payload: the event as a join keeps it.
            over: what is known of an earlier recovery of the same incident; see `Incidents`.
            named: whether to name the branches of a join that has many.
        """
        join = d.handler.join
        group, correlation_id = d.handler.group, d.envelope.correlation_id
        asks = self._asks_of(d.handler)
        readable, alarm = d.event is not None, d.type in _ALARMS
        guards = asks.of(d, alarm=alarm) if readable else ((), ())
        return Call(
            script("admit"),
            (
                *self._place(d),
                self._keys.idempotency(group, d.key),
                self._keys.fence,
                self._keys.join(group, correlation_id),
                self._keys.held,
                *guards[0],
            ),
            (
                *self._identity(d, over),
                owner,
                self._lease_ms,
                join.needed if join and readable and not d.undo else 0,
                d.branch,
                payload,
                asks.join,
                asks.branches if named or asks.few else "",
                d.envelope.hops,
                asks.limits if readable and not alarm else "",
                d.handler.service,
                asks.brings,
                *guards[1],
            ),
        )

    def skip(self, d: Delivery, over: str = "") -> Call:
        """Pass over a delivery the handler does not want."""
        return Call(script("pass"), self._place(d), self._identity(d, over))

    def commit(
        self, lease: Lease, spent_ms: int, events: Iterable[Outgoing], undo: bytes = b""
    ) -> Call:
        """Publish the events, acknowledge, keep the result, and how to undo it."""
        keys, args = self._held(lease), self._claim(lease, spent_ms, "success")
        more_keys, more_args = self._outgoing(events)
        d = lease.delivery
        if d.undo is not None:
            more_keys += (self._keys.idempotency(d.handler.group, d.undo.key),)
        return Call(script("commit"), (*keys, *more_keys), (*args, undo, *more_args))

    def postpone(
        self, lease: Lease, spent_ms: int, *, delay_ms: int, error: str, ended: Ended = "failure"
    ) -> Call:
        """Try again after a failure."""
        args = (*self._claim(lease, spent_ms, ended), "retried", delay_ms, error, "", "", 0, 0)
        return Call(script("postpone"), (*self._held(lease), lease.keys[_HELD]), args)

    def release(self, lease: Lease, spent_ms: int) -> Call:
        """Hand the delivery back at once, with no attempt spent."""
        args = (*self._claim(lease, spent_ms, "cancelled"), "released", 0, "", "", "", 0, 0)
        return Call(script("postpone"), (*self._held(lease), lease.keys[_HELD]), args)

    def defer(self, lease: Lease, spent_ms: int, held: Deferred) -> Call:
        """Hold the delivery for a guard within its step, with no attempt spent."""
        args = (
            *self._claim(lease, spent_ms, "cancelled"),
            "held",
            milliseconds(held.delay),
            held.error,
            held.guard,
            held.name,
            held.limit,
            held.value,
        )
        return Call(script("postpone"), (*self._held(lease), lease.keys[_HELD]), args)

    def bury(
        self,
        lease: Lease,
        spent_ms: int,
        error: str,
        ended: Ended = "cancelled",
        events: Sequence[Outgoing] = (),
    ) -> Call:
        """Dead-letter the delivery, and publish what answers for that."""
        answered = any(out.how == "" for out in events)
        more_keys, more_args = self._outgoing(events)
        args = (error, lease.delivery.envelope.subject, "1" if answered else "")
        return Call(
            script("bury"),
            (*self._held(lease), self._keys.dead, *more_keys),
            (*self._claim(lease, spent_ms, ended), *args, *more_args),
        )

    def progress(self, lease: Lease, fraction: float, message: str) -> Call:
        """Note how far the step has come."""
        args = (*self._claim(lease, 0, "cancelled"), f"{fraction:.4g}", message)
        return Call(script("progress"), self._held(lease), args)

    def renew(self, lease: Lease) -> Call:
        """Renew the lease."""
        d = lease.delivery
        return Call(
            script("renew"),
            (lease.keys[_STREAM], lease.keys[_KEY], *self._guarded(d)[:2]),
            (
                d.handler.group,
                self._consumer,
                d.entry_id,
                lease.owner,
                self._key_ms,
                d.name,
                self._lease_ms if d.circuit or d.resource else "",
            ),
        )

    def _outgoing(self, events: Iterable[Outgoing]) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
        """Keys and arguments of events, as `outgoing.lua` reads them."""
        keys: tuple[str, ...] = ()
        args: tuple[Argument, ...] = ()
        for out in events:
            e = out.envelope
            if isinstance(out.how, int):
                fields: list[str | bytes] = [planned(out)]
            else:
                fields = e.to_fields(out.data)
            keys += event_keys(self._keys, e.type, e.subject)
            args += (len(fields), e.type, e.subject, e.id, int(out.failure), out.how, *fields)
        return keys, args

    def _asks_of(self, handler: Handler) -> Asks:
        asks = self._asks.get(handler.group)
        if asks is None:
            asks = self._asks[handler.group] = Asks(handler, self._keys, self._settings)
        return asks

    def _guarded(self, d: Delivery) -> tuple[str, str, str]:
        """The keys of the delivery's breaker and resource; those of none when it has none."""
        keys = self._keys
        return (
            keys.guard("breaker", d.circuit),
            keys.guard("exclusive", d.resource),
            keys.queue("exclusive", d.resource),
        )

    def _place(self, d: Delivery) -> tuple[str, ...]:
        keys, e = self._keys, d.envelope
        return (
            *keys.record(e.correlation_id, e.subject),
            d.stream,
            keys.subscribers(d.type),
            keys.subscribers(d.type, e.subject),
            keys.due(d.handler.group),
            *keys.incident(d.type, e.subject),
            keys.published(e.id),
        )

    def _identity(self, d: Delivery, over: str) -> tuple[Argument, ...]:
        e = d.envelope
        return (
            e.correlation_id,
            self._record_ms,
            d.handler.group,
            d.entry_id,
            self._consumer,
            d.type,
            e.subject,
            e.id,
            e.causation_id or "",
            _flags(d),
            self._key_ms,
            self._onset_of(d.type),
            over,
            d.requester or e.source,
            e.parent or "",
        )

    def _onset_of(self, event_type: str) -> str:
        found = self._onsets.get(event_type)
        if found is None:
            found = self._onsets[event_type] = onset(self._settings, event_type)
        return found

    def _held(self, lease: Lease) -> tuple[str, ...]:
        keys = lease.keys
        return (*keys[: _STREAM + 1], keys[_KEY], keys[_DUE], *self._guarded(lease.delivery))

    def _claim(self, lease: Lease, spent_ms: int, ended: Ended) -> tuple[Argument, ...]:
        d = lease.delivery
        breaker = d.handler.guards.breaker if d.circuit else None
        return (
            d.envelope.correlation_id,
            self._record_ms,
            d.handler.group,
            d.entry_id,
            self._consumer,
            d.envelope.id,
            d.label,
            lease.owner,
            lease.attempt,
            spent_ms,
            self._key_ms,
            ended if breaker else "",
            limits_of(breaker) if breaker else "",
            1 if d.resource else "",
            "u" if d.undo else "",
        )


def _flags(d: Delivery) -> str:
    kind = d.handler.kinds.get(d.type)
    flags = "r" if d.envelope.recorded else ""
    if kind is not None and issubclass(kind, Lifecycle):
        flags += "n"
    if kind is not None and issubclass(kind, Failure):
        flags += "fo" if begins(d.envelope) else "f"
    return flags + "i" if d.label == INBOX else flags


def event_keys(keys: Keys, event_type: str, subject: str) -> tuple[str, str, str]:
    """The stream of an event, and who reacts to it: to any subject, and to its own."""
    return (
        keys.events(event_type),
        keys.subscribers(event_type),
        keys.subscribers(event_type, subject),
    )


def planned(out: Outgoing) -> bytes:
    """An event that is published later, as the plan keeps it; `later_call` reads it."""
    e = out.envelope
    fields = texts(e.to_fields(out.data))
    return orjson.dumps(
        {
            "type": e.type,
            "subject": e.subject,
            "failure": out.failure,
            "cause": e.causation_id or "",
            "by": out.by,
            "fields": fields,
        }
    )


def begins(envelope: Envelope) -> bool:
    """Whether an event is the root of a recovery of its own."""
    return envelope.correlation_id == envelope.id and not envelope.causation_id


def publish_call(
    keys: Keys,
    settings: Settings,
    envelope: Envelope,
    data: bytes,
    *,
    failure: bool,
    over: str = "",
) -> Call:
    """Publish one event from outside a handler.

    Args:
        keys: of the cell.
        settings: of the publisher.
        envelope: the event's.
        data: its data, as JSON.
        failure: whether it is one.
        over: what is known of an earlier recovery of the same incident; see `Incidents`.
    """
    e = envelope
    return Call(
        script("publish"),
        (
            *keys.record(e.correlation_id, e.subject),
            *event_keys(keys, e.type, e.subject),
            *keys.incident(e.type, e.subject),
            keys.published(e.id),
        ),
        (
            e.correlation_id,
            milliseconds(settings.record_retention),
            milliseconds(settings.key_retention),
            e.type,
            e.subject,
            e.id,
            e.causation_id or "",
            int(failure),
            onset(settings, e.type),
            over,
            "1" if failure and begins(e) else "",
            e.source,
            *e.to_fields(data),
        ),
    )


def is_failure(event_type: str) -> bool:
    """Whether a type is a failure, or unknown here and therefore taken for one."""
    try:
        return issubclass(event_class(event_type), Failure)
    except LookupError:
        return True

"""A cell worked script by script: every step of a worker, one at a time and in any order.

The calls are built by the code that workers use, so that a test sees what Redis would see.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from antiphon import Retry, Service
from antiphon.broker.calls import Calls, Lease, Outgoing, is_failure, publish_call
from antiphon.broker.claims import Claims
from antiphon.broker.deadletters import DeadLetters
from antiphon.broker.errand import Errand
from antiphon.broker.groups import group_of, register
from antiphon.broker.replies import JOINS, Admission, Run, Settlement, admission, settlement
from antiphon.broker.scripts import Argument, Call, script
from antiphon.deadletter import Choice, DeadLetter
from antiphon.delivery import INBOX, Delivery, receive
from antiphon.duration import milliseconds
from antiphon.flow.join import Join
from antiphon.handler import Handler, Key
from antiphon.outgoing import addressed
from antiphon_events import Envelope, Event, Selector, uuid7

ALICE, BOB = "alice", "bob"
"""Two consumers."""

HOUR_MS = 3_600_000


def handler(
    *choices: type[Event] | Selector | Join,
    name: str = "orders.react",
    key: Key | None = None,
    brings: type[Event] | None = None,
    **guards: Any,
) -> Handler:
    """Make a handler whose function is never called.

    `name` is that of its group, `brings` what it says it publishes.
    """

    async def function(event: Event) -> None:
        raise AssertionError(event)

    if brings is not None:
        function.__annotations__["return"] = brings
    service_name, function.__name__ = name.split(".")
    service = Service(service_name)
    service.on(*choices, key=key, retry=Retry(), **guards)(function)
    return service.handlers[0]


@dataclass(frozen=True, slots=True)
class Sent:
    """An event and where it was written."""

    envelope: Envelope
    entry_id: str
    written: bool

    @property
    def correlation_id(self) -> str:
        return self.envelope.correlation_id

    def owed(self, *handlers: Handler) -> set[str]:
        """What the event's entry adds to the outstanding work for these handlers."""
        return {f"{self.envelope.type}|{self.entry_id}|{h.group}" for h in handlers}


class ScriptedCell:
    """One cell, and whatever workers a test wants to play in it."""

    def __init__(self, errand: Errand) -> None:
        self.client: Any = errand.client  # redis-py types replies as all they might ever be
        self.settings = errand.settings
        self.keys = errand.keys
        self.gatherer = errand.gatherer
        self.dead_letters = DeadLetters(errand)
        self._owners = itertools.count(1)

    async def run(self, call: Call) -> Any:
        return await self.gatherer.run(call)

    def calls(self, consumer: str = ALICE) -> Calls:
        return Calls(self.keys, self.settings, consumer)

    def claims(self, consumer: str = BOB) -> Claims:
        return Claims(self.gatherer, consumer)

    def streams(self, h: Handler) -> dict[str, str]:
        return group_of(h).streams(self.keys)

    async def deploy(self, *handlers: Handler, lost: bool = False) -> int:
        """Register groups; returns how many streams were new to them."""
        return sum(
            [
                await register(self.client, self.gatherer, self.keys, group_of(h), lost=lost)
                for h in handlers
            ]
        )

    async def publish(
        self, event: Event, *, correlation_id: str = "", again: Envelope | None = None
    ) -> Sent:
        """Publish from outside; `again` is the envelope of an earlier try."""
        envelope = again or self.envelope(event, correlation_id)
        place, answer, *_ = await self.run(self.publishing(event, envelope))
        while answer == 2:  # failures of one incident; here each is to have its own recovery
            over = f"0  {place.decode()}"
            place, answer, *_ = await self.run(self.publishing(event, envelope, over))
        return Sent(envelope, place.decode(), bool(answer))

    def publishing(self, event: Event, envelope: Envelope, over: str = "") -> Call:
        data, failure = event.data_json(), is_failure(event.type)
        return publish_call(self.keys, self.settings, envelope, data, failure=failure, over=over)

    def envelope(self, event: Event, correlation_id: str = "") -> Envelope:
        root = self._root(event)
        return replace(root, correlation_id=correlation_id) if correlation_id else root

    def _root(self, event: Event) -> Envelope:
        event_id = uuid7()
        fields = {b"id": event_id.encode(), b"subject": event.subject.encode()}
        return Envelope.from_fields(fields, stream="", entry_id="1-0", default_type=event.type)

    async def xadd(self, event: Event, entry_id: str = "*", **attributes: str) -> Sent:
        """Write an entry as a foreign program would, behind Antiphon's back."""
        stream = self.keys.events(event.type)
        fields: dict[str, str | bytes] = {
            "subject": event.subject,
            "data": event.data_json(),
            **attributes,
        }
        written = (await self.client.xadd(stream, fields, id=entry_id)).decode()
        row = {name.encode(): _bytes(value) for name, value in fields.items()}
        envelope = Envelope.fallback(row, stream=stream, entry_id=written, default_type=event.type)
        return Sent(envelope, written, written=True)

    async def read(self, h: Handler, consumer: str = ALICE, count: int = 100) -> list[Delivery]:
        """Read what is new to a handler's group."""
        streams = self.streams(h)
        labels = {stream: label for label, stream in streams.items()}
        reply = await self.client.xreadgroup(
            h.group, consumer, dict.fromkeys(streams.values(), ">"), count=count
        )
        return [
            self.receive(h, labels[stream.decode()], entry_id.decode(), fields)
            for stream, entries in reply
            for entry_id, fields in entries
        ]

    def receive(
        self, h: Handler, label: str, entry_id: str, fields: Mapping[bytes, bytes]
    ) -> Delivery:
        return receive(
            h,
            stream=self.streams(h)[label],
            label=label,
            entry_id=entry_id,
            fields=fields,
            max_payload_bytes=self.settings.max_payload_bytes,
        )

    async def read_one(self, h: Handler, consumer: str = ALICE) -> Delivery:
        (delivery,) = await self.read(h, consumer)
        return delivery

    def owner(self, consumer: str = ALICE) -> str:
        return f"{consumer}#{next(self._owners)}"

    async def admit(
        self, d: Delivery, consumer: str = ALICE, *, owner: str = "", payload: bytes = b""
    ) -> Admission:
        owner, calls = owner or self.owner(consumer), self.calls(consumer)
        reply = await self.run(calls.admit(d, owner, payload))
        if reply[0] == JOINS:
            over = f"0  {reply[1].decode()}"
            reply = await self.run(calls.admit(d, owner, payload, over))
        admitted, _ = admission(reply)
        return admitted

    async def lease(self, d: Delivery, consumer: str = ALICE, *, payload: bytes = b"") -> Lease:
        """Admit a delivery that must be let through."""
        owner = self.owner(consumer)
        run = await self.admit(d, consumer, owner=owner, payload=payload)
        assert isinstance(run, Run), run
        keys = self.calls(consumer).admit(d, owner, payload).keys
        return Lease(d, owner, run.attempt, run.failures, run.token, keys)

    async def take(self, h: Handler, consumer: str = ALICE) -> Lease:
        """Read the one entry that is new to a handler, and take its lease."""
        return await self.lease(await self.read_one(h, consumer), consumer)

    async def take_first(self, h: Handler, consumer: str = ALICE) -> Lease:
        """Read what is new to a handler, and take the lease of the oldest."""
        return await self.lease((await self.read(h, consumer))[0], consumer)

    async def skip(self, d: Delivery, consumer: str = ALICE) -> list[Any]:
        reply: list[Any] = await self.run(self.calls(consumer).skip(d))
        if reply[0] == JOINS:
            reply = await self.run(self.calls(consumer).skip(d, f"0  {reply[1].decode()}"))
        return reply

    async def commit(self, lease: Lease, *events: Event, by: str = ALICE) -> Settlement:
        return settlement(await self.run(self.committing(lease, *events, by=by)))

    def committing(self, lease: Lease, *events: Event, by: str = ALICE) -> Call:
        return self.calls(by).commit(lease, 7, [self.answer(lease, event) for event in events])

    def answer(self, lease: Lease, event: Event) -> Outgoing:
        return addressed(event, lease.delivery)

    @staticmethod
    def settlement(reply: list[Any]) -> Settlement:
        return settlement(reply)

    async def postpone(self, lease: Lease, delay_ms: int = 0, *, by: str = ALICE) -> Settlement:
        call = self.calls(by).postpone(lease, 7, delay_ms=delay_ms, error="Broken: it broke")
        return settlement(await self.run(call))

    async def release(self, lease: Lease, *, by: str = ALICE) -> Settlement:
        return settlement(await self.run(self.calls(by).release(lease, 7)))

    async def bury(self, lease: Lease, *, by: str = ALICE) -> Settlement:
        return settlement(await self.run(self.calls(by).bury(lease, 7, "Broken: it broke")))

    async def due(self, h: Handler, consumer: str = BOB) -> list[Delivery]:
        """Take up what is due of a handler."""
        key, streams = self.keys.due(h.group), self.streams(h)
        taken = await self.claims(consumer).due(h.group, key, streams, 100)
        return [self.receive(h, t.label, t.entry_id, t.fields or {}) for t in taken]

    async def claim(self, h: Handler, consumer: str = BOB, *, idle_ms: int = 0) -> list[Delivery]:
        """Take up what a silent worker holds of a handler."""
        key, streams = self.keys.due(h.group), self.streams(h)
        taken = await self.claims(consumer).silent(
            h.group, key, streams, idle_ms=idle_ms, room=1000
        )
        return [self.receive(h, t.label, t.entry_id, t.fields or {}) for t in taken]

    async def resolve(self, sent: Sent, member: str, *, fault: bool) -> list[Any]:
        args = (*self._identity(sent.correlation_id), member, "it was given up", int(fault))
        reply: list[Any] = await self._on_record("resolve", sent, (), args)
        return reply

    async def audit(self, sent: Sent, member: str) -> list[Any]:
        label, _, group = member.split("|", 2)
        stream = self.keys.inbox(group) if label == INBOX else self.keys.events(label)
        args = (*self._identity(sent.correlation_id), member)
        reply: list[Any] = await self._on_record("audit", sent, (stream,), args)
        return reply

    async def letters(self) -> list[DeadLetter]:
        """Read every dead letter, the oldest first."""
        return [letter async for letter in self.dead_letters.oldest_first(Choice())]

    def _identity(self, correlation_id: str) -> tuple[Argument, ...]:
        return correlation_id, milliseconds(self.settings.record_retention)

    async def _on_record(
        self, name: str, sent: Sent, keys: tuple[str, ...], args: tuple[Argument, ...]
    ) -> Any:
        record = self.keys.record(sent.correlation_id, sent.envelope.subject)
        return await self.run(Call(script(name), (*record, *keys), args))

    async def outstanding(self, sent: Sent) -> set[str]:
        """What a recovery still waits for."""
        key = self.keys.outstanding(sent.correlation_id)
        return {member.decode() for member in await self.client.smembers(key)}

    async def summary(self, sent: Sent) -> dict[str, str]:
        key = self.keys.recovery(sent.correlation_id)
        row = await self.client.hgetall(key)
        return {name.decode(): value.decode() for name, value in row.items()}

    async def ledger(self, sent: Sent, *kinds: str) -> list[dict[str, str]]:
        """The rows of a recovery's ledger, or those of some kinds."""
        rows = await self.client.xrange(self.keys.ledger(sent.correlation_id))
        texts = [{name.decode(): value.decode() for name, value in row.items()} for _, row in rows]
        return [row for row in texts if not kinds or row["kind"] in kinds]

    async def kinds(self, sent: Sent) -> list[str]:
        return [row["kind"] for row in await self.ledger(sent)]

    async def closings(self, sent: Sent) -> list[dict[bytes, bytes]]:
        """The closing events of a recovery."""
        wanted = sent.correlation_id.encode()
        return [
            fields
            for stream in self.keys.news[:4] + self.keys.news[5:]
            for _, fields in await self.client.xrange(stream)
            if fields[b"correlationid"] == wanted
        ]


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()

"""The envelope: what is known of an event besides its data.

On the wire it is a set of CloudEvents 1.0 attributes, each one a field of a stream entry.
Reading and writing it is on the path of every delivery, so neither uses a model or a pattern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from antiphon_events.attribute import InvalidAttribute, check_text, shown
from antiphon_events.fields import (
    data_schema,
    instant,
    read_hops,
    read_repeated_text,
    read_text,
    read_time,
    read_version,
)
from antiphon_events.ids import derived_id, entry_ms
from antiphon_events.registry import current_version

_NO_OFFSET = timedelta(0)


class UndecodableFields(InvalidAttribute):
    """The fields of an entry are no envelope; the message names the attribute at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The attributes of one event, checked at construction.

    Attributes:
        id: Unique among all events; a UUIDv7 unless a foreign writer chose otherwise.
        source: Who published it: a service, a host, or ``redis`` when the writer did not say.
        type: What kind of fact it is, such as ``service.failed``.
        subject: What it is about, such as ``orders-db``.
        time: When it was published, in UTC; the wire keeps milliseconds.
        version: The version of the data's schema, from 1.
        correlation_id: The recovery it belongs to.
        causation_id: The id of the event that caused it.
        idempotency_key: The name of the effect it asks for, when the publisher gave one.
        hops: How many events lie between it and the start of the recovery.
        traceparent: The W3C trace context it was published in.
        parent: The recovery that started this one as its child, when there is one.
        recorded: Whether the ledger already has it, so that it is no foreign entry.

    Raises:
        InvalidAttribute: An attribute breaks the rules of `check_text`, the time is not in UTC,
            or a number is out of range.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    version: int = 1
    correlation_id: str
    causation_id: str | None = None
    idempotency_key: str | None = None
    hops: int = 0
    traceparent: str | None = None
    parent: str | None = None
    recorded: bool = False

    def __post_init__(self) -> None:
        check_text("id", self.id)
        check_text("source", self.source)
        check_text("type", self.type)
        check_text("subject", self.subject)
        check_text("correlationid", self.correlation_id)
        if self.causation_id is not None:
            check_text("causationid", self.causation_id)
        if self.idempotency_key is not None:
            check_text("idempotencykey", self.idempotency_key)
        if self.traceparent is not None:
            check_text("traceparent", self.traceparent)
        if self.parent is not None:
            check_text("parentid", self.parent)
        if self.time.utcoffset() != _NO_OFFSET:
            raise InvalidAttribute("time", f"{self.time} is not in UTC; use datetime.now(UTC)")
        if self.version < 1:
            raise InvalidAttribute("dataschema", f"version {self.version} is below 1")
        if self.hops < 0:
            raise InvalidAttribute("hops", f"{self.hops} is below 0")

    @staticmethod
    def from_fields(
        fields: Mapping[bytes, bytes], *, stream: str, entry_id: str, default_type: str
    ) -> Envelope:
        """Read the envelope of a stream entry, filling in what a foreign writer left out.

        What is filled in follows from the entry's place alone, so every reader sees the same.
        An empty attribute counts as left out. Only the subject has no default.

        Args:
            fields: The entry's fields as Redis returns them; those that are no attribute are
                ignored.
            stream: The whole key of the stream.
            entry_id: The id Redis gave the entry, such as ``1700000000000-0``.
            default_type: The type of event the stream is for.

        Raises:
            UndecodableFields: An attribute is not UTF-8, breaks the rules of `check_text` or
                cannot be parsed, the subject is missing, or the entry follows another
                specification than CloudEvents 1.0.
        """
        try:
            return _read(fields, stream, entry_id, default_type)
        except InvalidAttribute as error:
            raise UndecodableFields(error.attribute, error.problem) from None

    @staticmethod
    def fallback(
        fields: Mapping[bytes, bytes], *, stream: str, entry_id: str, default_type: str
    ) -> Envelope:
        """Read what can be read: a bad attribute counts as left out, a bad subject is ``unknown``.

        It never raises, so that even an entry nobody can decode has a correlation id
        under which its end is recorded. The arguments are those of `from_fields`.
        """
        readable = dict(fields)
        while True:
            try:
                return _read(readable, stream, entry_id, default_type)
            except InvalidAttribute as error:
                if error.attribute == "subject":
                    readable[b"subject"] = b"unknown"
                else:
                    del readable[error.attribute.encode()]

    def answer(
        self,
        id: str,  # noqa: A002
        *,
        source: str,
        type: str,  # noqa: A002
        subject: str,
        version: int,
        time: datetime,
        traceparent: str | None,
    ) -> Envelope:
        """Return the envelope of an event caused by this one: same recovery, one hop further.

        The arguments are taken as they are; give it what an `Event` and a `uuid7` hold, and the
        trace context of what answers: this one's own, when nothing is recorded.
        """
        draft = _Draft(
            id,
            source,
            type,
            subject,
            time,
            version,
            self.correlation_id,
            self.id,
            None,
            self.hops + 1,
            traceparent,
            None,
            False,
        )
        draft.__class__ = Envelope
        envelope: Envelope = draft
        return envelope

    def to_fields(self, data: bytes) -> list[str | bytes]:
        """Return the entry as XADD takes it: field, value, field, value.

        Args:
            data: The event's data as a JSON object.
        """
        micros = self.time.microsecond
        time = f"{_to_the_second(self.time.replace(microsecond=0))}.{micros // 1000:03}Z"
        # fmt: off
        flat: list[str | bytes] = [
            "specversion", "1.0",
            "id", self.id,
            "source", self.source,
            "type", self.type,
            "subject", self.subject,
            "time", time,
            "dataschema", data_schema(self.type, self.version),
            "data", data,
            "correlationid", self.correlation_id,
            "hops", str(self.hops),
        ]
        # fmt: on
        if self.causation_id is not None:
            flat += ("causationid", self.causation_id)
        if self.idempotency_key is not None:
            flat += ("idempotencykey", self.idempotency_key)
        if self.traceparent is not None:
            flat += ("traceparent", self.traceparent)
        if self.parent is not None:
            flat += ("parentid", self.parent)
        return flat


@lru_cache(64)
def _to_the_second(time: datetime) -> str:
    # Writing an instant is slow, and events come many to the second.
    # The offset cut off is always "+00:00": construction and reading saw to it.
    return time.isoformat()[:-6]


# A frozen class sets its attributes the slow way, and would check again what reading checked.
# So reading fills an unfrozen twin with the same slots, then makes it an Envelope.
_Draft: Any = make_dataclass("_Draft", Envelope.__slots__, slots=True)


def _read(fields: Mapping[bytes, bytes], stream: str, entry_id: str, default_type: str) -> Envelope:
    get = fields.get
    if (raw := get(b"specversion")) and raw != b"1.0":
        raise InvalidAttribute("specversion", f"{shown(raw)} is not 1.0")
    if not (subject := get(b"subject")):
        raise InvalidAttribute("subject", "is missing; say what the event is about")
    event_id = read_text("id", raw) if (raw := get(b"id")) else derived_id(stream, entry_id)
    event_type = read_repeated_text("type", raw) if (raw := get(b"type")) else default_type
    draft = _Draft(
        event_id,
        read_repeated_text("source", raw) if (raw := get(b"source")) else "redis",
        event_type,
        read_repeated_text("subject", subject),
        read_time(raw) if (raw := get(b"time")) else instant(entry_ms(entry_id)),
        read_version(raw, event_type)
        if (raw := get(b"dataschema"))
        else current_version(event_type),
        read_text("correlationid", raw) if (raw := get(b"correlationid")) else event_id,
        read_text("causationid", raw) if (raw := get(b"causationid")) else None,
        read_text("idempotencykey", raw) if (raw := get(b"idempotencykey")) else None,
        read_hops(raw) if (raw := get(b"hops")) else 0,
        read_text("traceparent", raw) if (raw := get(b"traceparent")) else None,
        read_text("parentid", raw) if (raw := get(b"parentid")) else None,
        get(b"recorded") == b"1",
    )
    draft.__class__ = Envelope
    envelope: Envelope = draft
    return envelope

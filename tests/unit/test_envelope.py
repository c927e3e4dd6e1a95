"""Envelopes: attributes to fields and back, and what becomes of garbage."""

from __future__ import annotations

import dataclasses
import pickle
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antiphon_events import (
    MAX_ATTRIBUTE_BYTES,
    Envelope,
    InvalidAttribute,
    UndecodableFields,
    derived_id,
)

STREAM = "{antiphon}:events:service.failed"
ENTRY = "1700000000123-4"
ENTRY_TIME = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)

ATTRIBUTES = (
    b"specversion",
    b"id",
    b"source",
    b"type",
    b"subject",
    b"time",
    b"dataschema",
    b"data",
    b"correlationid",
    b"causationid",
    b"idempotencykey",
    b"hops",
    b"traceparent",
    b"recorded",
)

texts = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=MAX_ATTRIBUTE_BYTES
).filter(lambda text: len(text.encode()) <= MAX_ATTRIBUTE_BYTES)

instants = st.datetimes(timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)

envelopes = st.builds(
    Envelope,
    id=texts,
    source=texts,
    type=texts,
    subject=texts,
    time=instants,
    version=st.integers(1, 999_999_999),
    correlation_id=texts,
    causation_id=st.none() | texts,
    idempotency_key=st.none() | texts,
    hops=st.integers(0, 999_999_999),
    traceparent=st.none() | texts,
)

# Values near the truth find more than noise does.
values = st.one_of(
    st.binary(max_size=300),
    texts.map(str.encode),
    st.sampled_from(
        [
            b"",
            b"1.0",
            b"-1",
            b"\xff",
            b"\x00",
            b"x" * 300,
            b"9" * 5000,
            "٣".encode(),
            b"urn:antiphon:service.failed:0",
            b"urn:antiphon:service.failed:1",
            b"0001-01-01T00:00:00+23:00",
            b"9999-12-31T23:59:59-23:00",
            b"2026-01-01T00:00:00",
        ]
    ),
)
garbage = st.dictionaries(st.sampled_from(ATTRIBUTES) | st.binary(max_size=8), values)
entry_ids = st.builds("{}-{}".format, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))


def read(fields: dict[bytes, bytes], entry_id: str = ENTRY) -> Envelope:
    return Envelope.from_fields(
        fields, stream=STREAM, entry_id=entry_id, default_type="service.failed"
    )


def rescue(fields: dict[bytes, bytes], entry_id: str = ENTRY) -> Envelope:
    return Envelope.fallback(
        fields, stream=STREAM, entry_id=entry_id, default_type="service.failed"
    )


def stored(envelope: Envelope, data: bytes = b"{}") -> dict[bytes, bytes]:
    """Return the fields as Redis would give them back."""
    flat = [part if isinstance(part, bytes) else part.encode() for part in envelope.to_fields(data)]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def some_envelope(**changes: Any) -> Envelope:
    attributes: dict[str, Any] = {
        "id": "e-1",
        "source": "orders-api",
        "type": "service.failed",
        "subject": "orders-db",
        "time": ENTRY_TIME,
        "correlation_id": "c-1",
    }
    return Envelope(**(attributes | changes))


@given(envelopes)
def test_an_envelope_survives_the_wire(envelope: Envelope) -> None:
    """What was written is what is read, attribute by attribute."""
    assert read(stored(envelope)) == envelope


@given(envelopes, entry_ids)
def test_a_sound_entry_needs_no_fallback(envelope: Envelope, entry_id: str) -> None:
    """Both ways of reading agree on every entry that can be read."""
    assert rescue(stored(envelope), entry_id) == read(stored(envelope), entry_id)


@given(garbage, entry_ids)
@example({b"subject": b"x", b"time": b"0001-01-01T00:00:00+23:00"}, "0-0")
@example({b"subject": b"x", b"hops": b"9" * 5000}, "0-0")
def test_garbage_is_undecodable_and_nothing_worse(
    fields: dict[bytes, bytes], entry_id: str
) -> None:
    """Whatever the fields hold, reading returns a sound envelope or names the attribute."""
    refusal = None
    try:
        envelope = read(fields, entry_id)
    except UndecodableFields as error:
        refusal = error

    if refusal is None:
        assert dataclasses.replace(envelope) == envelope
    else:
        assert refusal.attribute.encode() in {*fields, b"subject"}
        assert refusal.attribute in str(refusal)
        assert str(refusal).isprintable()
        assert len(str(refusal)) < 350


@given(garbage, entry_ids)
def test_the_fallback_always_finds_an_envelope(fields: dict[bytes, bytes], entry_id: str) -> None:
    """Even a poison entry gets a sound envelope, the same one each time."""
    envelope = rescue(fields, entry_id)

    assert dataclasses.replace(envelope) == envelope
    assert rescue(fields, entry_id) == envelope
    assert rescue(stored(envelope), entry_id) == dataclasses.replace(envelope, recorded=False)


def test_a_bare_entry_is_filled_in_from_its_place() -> None:
    """Type, subject and data are enough; the rest follows from stream and entry id."""
    envelope = read({b"type": b"service.failed", b"subject": b"orders-db", b"data": b"{}"})

    derived = derived_id(STREAM, ENTRY)
    assert uuid.UUID(derived).int >> 80 == 1_700_000_000_123
    assert envelope == Envelope(
        id=derived,
        source="redis",
        type="service.failed",
        subject="orders-db",
        time=ENTRY_TIME,
        version=1,
        correlation_id=derived,
        hops=0,
    )


def test_a_bare_entry_keeps_what_its_writer_did_say() -> None:
    """A foreign id becomes the correlation id; a foreign correlation id is kept."""
    assert read({b"subject": b"x", b"id": b"mine"}).correlation_id == "mine"
    assert read({b"subject": b"x", b"correlationid": b"theirs"}).correlation_id == "theirs"


def test_an_empty_attribute_counts_as_left_out() -> None:
    """A shell script whose variable was unset still writes a valid entry."""
    empty = dict.fromkeys(ATTRIBUTES, b"") | {b"subject": b"orders-db"}

    assert read(empty) == read({b"subject": b"orders-db"})


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        (b"2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (b"2026-01-31T12:00:00.250Z", datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)),
        (b"2026-01-31T14:00:00+02:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (b"2026-01-31T12:00:00.123456789Z", datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_any_rfc_3339_instant_is_understood(written: bytes, understood: datetime) -> None:
    """Offsets and fractions of any length are, and the result is always in UTC."""
    time = read({b"subject": b"x", b"time": written}).time

    assert time == understood
    assert time.tzinfo is UTC


@pytest.mark.parametrize(
    ("attribute", "value", "problem"),
    [
        (b"specversion", b"0.3", "is not 1.0"),
        (b"id", b"\xff", "is not UTF-8"),
        (b"id", b"x" * 257, "is 257 bytes long; at most 256 fit"),
        (b"source", "é".encode() * 129, "is 258 bytes long"),
        (b"type", b"service.failed\n", "holds a control character"),
        (b"subject", b"orders\x1b[2Jdb", "holds a control character"),
        (b"correlationid", b"x" * 257, "at most 256"),
        (b"causationid", b"\x00", "holds a control character"),
        (b"idempotencykey", b"x" * 257, "at most 256"),
        (b"traceparent", b"\xfe\xfe", "is not UTF-8"),
        (b"time", b"yesterday", "no RFC 3339 instant"),
        (b"time", b"2026-01-31T12:00:00", "no RFC 3339 instant"),
        (b"hops", b"-1", "no decimal number"),
        (b"hops", b"1_000", "no decimal number"),
        (b"hops", b"9" * 10, "no decimal number"),
        (b"dataschema", b"https://example.org/schema", "urn:antiphon:service.failed:1"),
        (b"dataschema", b"urn:antiphon:cache.lost:1", "urn:antiphon:service.failed:1"),
        (b"dataschema", b"urn:antiphon:service.failed:0", "urn:antiphon:service.failed:1"),
    ],
)
def test_a_bad_attribute_is_named_and_falls_back(
    attribute: bytes, value: bytes, problem: str
) -> None:
    """The error says which attribute and what is wrong; the fallback drops that one alone."""
    sound = stored(some_envelope(causation_id="c-0", idempotency_key="k", traceparent="00-1"))
    poisoned = sound | {attribute: value}

    with pytest.raises(UndecodableFields) as caught:
        read(poisoned)

    assert caught.value.attribute == attribute.decode()
    assert problem in str(caught.value)
    dropped = sound | {attribute: b"unknown" if attribute == b"subject" else b""}
    if attribute == b"type":
        dropped[b"type"] = b"service.failed"
    assert rescue(poisoned) == read(dropped)


def test_a_missing_subject_is_named() -> None:
    """An event about nothing cannot be acted on, so nothing is made up for it."""
    with pytest.raises(UndecodableFields, match="subject is missing"):
        read({b"type": b"service.failed"})

    assert rescue({b"type": b"service.failed"}).subject == "unknown"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": ""}, "id is empty"),
        ({"subject": "a\tb"}, "subject 'a\\tb' holds a control character"),
        ({"subject": "\ud800"}, "subject '\\ud800' holds a lone surrogate"),
        ({"subject": b"orders-db"}, "subject must be a string, not bytes"),
        ({"correlation_id": "x" * 257}, "correlationid"),
        ({"idempotency_key": ""}, "idempotencykey is empty"),
        ({"time": ENTRY_TIME.replace(tzinfo=None)}, "is not in UTC"),
        ({"time": ENTRY_TIME.astimezone(timezone(timedelta(hours=1)))}, "is not in UTC"),
        ({"version": 0}, "version 0 is below 1"),
        ({"hops": -1}, "hops -1 is below 0"),
    ],
)
def test_an_unsound_envelope_cannot_be_made(change: dict[str, Any], problem: str) -> None:
    """What could not be read back cannot be written either."""
    with pytest.raises(InvalidAttribute) as caught:
        some_envelope(**change)

    assert problem in str(caught.value)


def test_optional_attributes_are_omitted_when_absent() -> None:
    """The wire holds what is known and nothing else; the ledger's mark is not the writer's."""
    assert stored(some_envelope(recorded=True), b'{"reason":"x"}') == {
        b"specversion": b"1.0",
        b"id": b"e-1",
        b"source": b"orders-api",
        b"type": b"service.failed",
        b"subject": b"orders-db",
        b"time": b"2023-11-14T22:13:20.123Z",
        b"dataschema": b"urn:antiphon:service.failed:1",
        b"data": b'{"reason":"x"}',
        b"correlationid": b"c-1",
        b"hops": b"0",
    }


def test_only_the_mark_one_says_recorded() -> None:
    """Any other value is a foreign writer's, and proves nothing."""
    assert read({b"subject": b"x", b"recorded": b"1"}).recorded
    assert not read({b"subject": b"x", b"recorded": b"yes"}).recorded


def test_an_envelope_that_was_read_is_as_frozen_as_any() -> None:
    """Reading takes a shortcut around construction, but not around immutability."""
    envelope = read({b"subject": b"orders-db"})

    assert type(envelope) is Envelope
    with pytest.raises(dataclasses.FrozenInstanceError):
        envelope.subject = "orders-api"  # type: ignore[misc]
    assert hash(envelope) == hash(dataclasses.replace(envelope))
    assert pickle.loads(pickle.dumps(envelope)) == envelope


def test_an_error_survives_pickling() -> None:
    """It may cross a process boundary and still name its attribute."""
    error = pickle.loads(pickle.dumps(UndecodableFields("id", "is not UTF-8")))

    assert isinstance(error, UndecodableFields)
    assert (error.attribute, str(error)) == ("id", "id is not UTF-8")


@given(cause=envelopes, answer=envelopes)
def test_an_answer_is_one_hop_further_in_the_same_recovery(
    cause: Envelope, answer: Envelope
) -> None:
    """What answers an event shares its correlation, and names it as the cause."""
    made = cause.answer(
        answer.id,
        source=answer.source,
        type=answer.type,
        subject=answer.subject,
        version=answer.version,
        time=answer.time,
        traceparent=answer.traceparent,
    )
    assert made == dataclasses.replace(
        answer,
        correlation_id=cause.correlation_id,
        causation_id=cause.id,
        hops=cause.hops + 1,
        idempotency_key=None,
        recorded=False,
    )

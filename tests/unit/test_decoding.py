"""Decoding events: what data may hold, what its error says, and older versions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, field_validator

from antiphon_events import (
    Event,
    RecoveryCompleted,
    ServiceFailed,
    UndecodableData,
    decode,
    upcaster,
)
from vocabulary import TIME, envelope_of, own_vocabulary


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """Forget the events and upcasters a test defines."""
    with own_vocabulary():
        yield


def problem_with(cls: type[Event], data: bytes, version: int | None = None) -> str:
    """Return the message decoding fails with, after holding it to its form."""
    with pytest.raises(UndecodableData) as caught:
        decode(cls, envelope_of(cls.type, version or cls.version), data)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600
    return message


class TestDecoding:
    def test_a_decoded_event_carries_subject_and_envelope(self) -> None:
        """It equals the event that was published, and knows the envelope it came in."""
        envelope = envelope_of()

        event = decode(ServiceFailed, envelope, b'{"reason":"disk full"}')

        assert event == ServiceFailed(subject="orders-db", reason="disk full")
        assert event.envelope is envelope

    @given(
        st.builds(
            RecoveryCompleted,
            subject=st.just("orders-db"),
            opened_ms=st.integers(),
            done=st.integers(0),
            reasons=st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
        )
    )
    def test_data_survives_the_wire(self, event: RecoveryCompleted) -> None:
        """What was serialised is what is decoded."""
        envelope = envelope_of("recovery.completed")

        assert decode(RecoveryCompleted, envelope, event.data_json()) == event

    def test_types_json_lacks_are_read_from_text(self) -> None:
        """Strictness does not forbid instants and durations."""

        class DiskFilled(Event):
            type = "disk.filled"
            since: datetime
            lasting: timedelta

        event = DiskFilled(subject="orders-db", since=TIME, lasting=timedelta(minutes=5))

        assert decode(DiskFilled, envelope_of("disk.filled"), event.data_json()) == event

    @given(st.binary())
    def test_garbage_is_undecodable_and_nothing_worse(self, data: bytes) -> None:
        """Whatever the bytes, decoding returns an event or raises its one error."""
        refusal = None
        try:
            event = decode(ServiceFailed, envelope_of(), data)
        except UndecodableData as error:
            refusal = error

        if refusal is None:
            assert decode(ServiceFailed, envelope_of(), event.data_json()) == event
        else:
            assert str(refusal).startswith("service.failed version 1: ")
            assert str(refusal).isprintable()

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"", "Invalid JSON"),
            (b"\xff", "Invalid JSON"),
            (b"[" * 100_000, "Invalid JSON: recursion limit exceeded"),
            (b"[1]", "Input should be an object"),
            (b'{"reason":3}', "field 'reason': Input should be a valid string"),
            (b'{"subject":"orders-db"}', "unknown field 'subject' (known: reason)"),
            (b'{"envelope":{}}', "unknown field 'envelope' (known: reason)"),
            (b'{"type":"service.failed"}', "unknown field 'type' (known: reason)"),
            (b'{"a":1,"b":1,"c":1,"d":1}', "unknown field 'c' (known: reason); and 1 more"),
            (b'{"a\\u001b[2J\\n":1}', "unknown field 'a\\x1b[2J\\n'"),
        ],
    )
    def test_the_error_says_where_and_what(self, data: bytes, problem: str) -> None:
        """One line names the field and the fault."""
        assert problem in problem_with(ServiceFailed, data)

    def test_the_error_never_echoes_the_payload(self) -> None:
        """A secret or a megabyte in the wrong place does not reach the log."""
        payload = b'{"reason":["' + b"secret" * 1000 + b'"],"' + b"x" * 10_000 + b'":1}'

        assert "secret" not in problem_with(ServiceFailed, payload)

    def test_nested_fields_are_named_by_their_path(self) -> None:
        """The path leads to the element at fault."""
        assert "field 'reasons.1': " in problem_with(RecoveryCompleted, b'{"reasons":["a",2]}')

    def test_numbers_json_lacks_are_refused(self) -> None:
        """No event can hold what no JSON parser elsewhere would read."""

        class DiskFilled(Event):
            type = "disk.filled"
            ratio: float = 0.0

        assert "finite number" in problem_with(DiskFilled, b'{"ratio":NaN}')
        with pytest.raises(ValidationError, match="finite number"):
            DiskFilled(subject="x", ratio=float("nan"))

    def test_a_validator_that_breaks_is_no_worse(self) -> None:
        """Data that a class cannot digest is undecodable, however the class says so."""

        class DiskFilled(Event):
            type = "disk.filled"
            host: str = ""

            @field_validator("host")
            @classmethod
            def resolve(cls, host: str) -> str:
                return {"a": "b"}[host]

        assert "KeyError('c')" in problem_with(DiskFilled, b'{"host":"c"}')

    def test_an_entry_of_another_type_is_refused(self) -> None:
        """A stream holds one type; an entry that claims another was misplaced."""
        with pytest.raises(UndecodableData, match=r"type 'cache.lost', not 'service.failed'"):
            decode(ServiceFailed, envelope_of("cache.lost"), b"{}")

    def test_a_newer_version_is_refused(self) -> None:
        """Guessing what a newer release meant would be worse than a dead letter."""
        message = problem_with(ServiceFailed, b"{}", version=2)

        assert message == (
            "service.failed version 2 is newer than the version 1 known here; upgrade this program"
        )


class TestUpcasting:
    @pytest.fixture
    def third(self) -> type[Event]:
        """An event in its third version, with both steps that lead there."""

        class DiskFilled(Event):
            type = "disk.filled"
            version = 3
            host: str
            since: datetime

        @upcaster("disk.filled", 1)
        def rename(data: dict[str, Any]) -> dict[str, Any]:
            return {"host": data["machine"]}

        @upcaster("disk.filled", 2)
        def date(data: dict[str, Any]) -> dict[str, Any]:
            return {**data, "since": TIME}

        return DiskFilled

    def test_an_older_version_is_taken_up_step_by_step(self, third: type[Event]) -> None:
        """Each step leads to the next version, and the last result is validated as data."""
        event = decode(third, envelope_of("disk.filled", 1), b'{"machine":"a"}')

        assert event == third(subject="orders-db", host="a", since=TIME)
        assert event.envelope is not None
        assert event.envelope.version == 1
        assert decode(third, envelope_of("disk.filled", 2), b'{"host":"a"}') == event

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"{", "disk.filled version 1: invalid JSON"),
            (b"[" * 100_000, "disk.filled version 1: invalid JSON"),
            (b"[1]", "disk.filled version 1: data must be a JSON object"),
            (b"{}", "disk.filled version 1: KeyError('machine')"),
            (b'{"machine":1}', "disk.filled version 3: field 'host'"),
        ],
    )
    def test_old_data_may_be_undecodable_too(
        self, third: type[Event], data: bytes, problem: str
    ) -> None:
        """Bad JSON, a step that breaks and a bad result all end the same way."""
        assert problem in problem_with(third, data, version=1)

    def test_a_missing_step_is_named(self) -> None:
        """The error says which function to write."""

        class DiskFilled(Event):
            type = "disk.filled"
            version = 2

        assert "register one with @upcaster('disk.filled', 1)" in problem_with(
            DiskFilled, b"{}", version=1
        )

    def test_two_functions_cannot_make_the_same_step(self) -> None:
        """The second one fails, and names both."""

        @upcaster("disk.filled", 1)
        def one(data: dict[str, Any]) -> dict[str, Any]:
            return data

        with pytest.raises(TypeError, match=r"other and .*one both upcast 'disk.filled'"):

            @upcaster("disk.filled", 1)
            def other(data: dict[str, Any]) -> dict[str, Any]:
                return data

"""Events: construction, identity, the registry, decoding and upcasting."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, field_validator

from antiphon_events import (
    Envelope,
    Event,
    Failure,
    InvalidAttribute,
    RecoveryCompleted,
    ServiceFailed,
    ServiceRestarted,
    UndecodableData,
    attach,
    decode,
    event_class,
    event_types,
    registry,
    upcaster,
    upcasters,
)

TIME = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """Forget the events and upcasters a test defines."""
    with pytest.MonkeyPatch.context() as patch:
        classes = {name: dict(versions) for name, versions in registry._classes.items()}
        patch.setattr(registry, "_classes", classes)
        patch.setattr(registry, "_current", dict(registry._current))
        patch.setattr(upcasters, "_steps", dict(upcasters._steps))
        yield


def envelope_of(
    type: str = "service.failed",  # noqa: A002
    version: int = 1,
    subject: str = "orders-db",
) -> Envelope:
    return Envelope(
        id="e-1",
        source="test",
        type=type,
        subject=subject,
        time=TIME,
        version=version,
        correlation_id="c-1",
    )


def problem_with(cls: type[Event], data: bytes, version: int | None = None) -> str:
    """Return the message decoding fails with, after holding it to its form."""
    with pytest.raises(UndecodableData) as caught:
        decode(cls, envelope_of(cls.type, version or cls.version), data)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600
    return message


class TestConstruction:
    def test_the_subject_is_an_attribute_and_no_data(self) -> None:
        """It is given to the constructor, and appears in no serialised form."""
        failed = ServiceFailed(subject="orders-db", reason="disk full")

        assert failed.subject == "orders-db"
        assert failed.envelope is None
        assert failed.data_json() == b'{"reason":"disk full"}'
        assert failed.model_dump() == {"reason": "disk full"}
        assert repr(failed) == "ServiceFailed(subject='orders-db', reason='disk full')"

    @pytest.mark.parametrize(
        ("subject", "problem"),
        [
            ("", "subject is empty"),
            ("a\nb", "subject 'a\\nb' holds a control character"),
            ("\ud800", "subject '\\ud800' holds a lone surrogate"),
            ("x" * 257, "is 257 bytes long; at most 256 fit"),
            ("é" * 129, "is 258 bytes long; at most 256 fit"),
            (None, "subject must be a string, not NoneType"),
        ],
    )
    def test_a_subject_no_envelope_can_carry_is_refused(self, subject: Any, problem: str) -> None:
        """The rules are the envelope's, and the error comes where the event is made."""
        with pytest.raises(InvalidAttribute) as caught:
            ServiceFailed(subject=subject)

        assert problem in str(caught.value)

    @pytest.mark.parametrize("subject", ["x" * 256, "é" * 128, "orders db", "数据库"])
    def test_any_other_subject_is_fine(self, subject: str) -> None:
        """Up to 256 bytes of any script, spaces included."""
        assert ServiceFailed(subject=subject).subject == subject

    def test_the_subject_is_required(self) -> None:
        """An event about nothing cannot be made."""
        with pytest.raises(TypeError, match="subject"):
            ServiceFailed()  # type: ignore[call-arg]

    def test_fields_are_strict(self) -> None:
        """Unknown names and near misses of type are errors, never coerced."""
        with pytest.raises(ValidationError, match="reazon"):
            ServiceFailed(subject="x", reazon="y")  # type: ignore[call-arg]
        with pytest.raises(ValidationError, match="pid"):
            ServiceRestarted(subject="x", pid="1")  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["subject", "envelope", "reason"])
    def test_an_event_is_frozen(self, name: str) -> None:
        """Nothing about it can be assigned, data or not."""
        failed = ServiceFailed(subject="orders-db")

        with pytest.raises((ValidationError, AttributeError)):
            setattr(failed, name, "other")

    def test_a_base_of_events_is_no_event(self) -> None:
        """What could never be published cannot be made."""
        with pytest.raises(TypeError, match="Failure has no type"):
            Failure(subject="orders-db")


class TestIdentity:
    def test_equal_means_class_subject_and_data(self) -> None:
        """The envelope does not count: the same fact may be delivered twice."""
        failed = ServiceFailed(subject="a", reason="x")

        assert failed == ServiceFailed(subject="a", reason="x")
        assert failed == attach(failed, envelope_of(subject="a"))
        assert hash(failed) == hash(ServiceFailed(subject="a", reason="x"))
        assert failed != ServiceFailed(subject="b", reason="x")
        assert failed != ServiceFailed(subject="a", reason="y")
        assert ServiceFailed(subject="a") != ServiceRestarted(subject="a")
        assert failed != "a"

    def test_an_event_with_a_list_can_be_hashed(self) -> None:
        """Events go into sets whatever their fields."""
        assert len({RecoveryCompleted(subject="a", reasons=["x"]) for _ in range(2)}) == 1

    @pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, Event.model_copy])
    def test_a_copy_keeps_subject_and_envelope(self, clone: Any) -> None:
        """Copies are the same event."""
        event = decode(ServiceFailed, envelope_of(), b'{"reason":"x"}')

        assert clone(event) == event
        assert clone(event).envelope == event.envelope

    def test_pickling_keeps_subject_and_envelope(self) -> None:
        """An event may cross a process boundary."""
        event = decode(ServiceFailed, envelope_of(), b'{"reason":"x"}')

        assert pickle.loads(pickle.dumps(event)) == event
        assert pickle.loads(pickle.dumps(event)).envelope == event.envelope

    def test_attach_leaves_the_event_it_was_given(self) -> None:
        """One event object may be published twice, in two envelopes."""
        failed = ServiceFailed(subject="orders-db")

        carried = attach(failed, envelope_of())

        assert carried.envelope == envelope_of()
        assert failed.envelope is None

    @pytest.mark.parametrize(
        "envelope",
        [
            envelope_of(subject="orders-api"),
            envelope_of("service.degraded"),
            envelope_of(version=2),
        ],
    )
    def test_attach_refuses_the_envelope_of_another_event(self, envelope: Envelope) -> None:
        """Subject, type and version must agree."""
        with pytest.raises(ValueError, match="the envelope's"):
            attach(ServiceFailed(subject="orders-db"), envelope)


class TestRegistry:
    def test_defining_a_class_registers_it(self) -> None:
        """Nobody has to list events anywhere."""

        class DiskFilled(Event):
            type = "disk.filled"

        assert event_class("disk.filled") is DiskFilled
        assert "disk.filled" in event_types()

    def test_the_newest_version_is_the_default(self) -> None:
        """Older versions stay available by number, in whatever order they were defined."""

        class Newer(Event):
            type = "disk.filled"
            version = 2

        class Older(Event):
            type = "disk.filled"

        assert event_class("disk.filled") is Newer
        assert event_class("disk.filled", 1) is Older

    def test_a_bare_entry_is_of_the_newest_version(self) -> None:
        """A writer who names no schema is taken to mean the current one."""

        class DiskFilled(Event):
            type = "disk.filled"
            version = 3

        envelope = Envelope.from_fields(
            {b"subject": b"x"}, stream="s", entry_id="1-0", default_type=DiskFilled.type
        )

        assert envelope.version == 3

    def test_two_classes_cannot_share_a_type_and_version(self) -> None:
        """The second definition fails, and names both."""

        class One(Event):
            type = "disk.filled"

        with pytest.raises(TypeError, match=r"Other.* and .*One both define 'disk.filled'"):

            class Other(Event):
                type = "disk.filled"

        assert event_class("disk.filled") is One

    def test_a_reloaded_class_takes_the_place_of_the_former(self) -> None:
        """The same module and name is the same class, defined again."""

        def define() -> type[Event]:
            class DiskFilled(Event):
                type = "disk.filled"

            return DiskFilled

        define()
        reloaded = define()

        assert event_class("disk.filled") is reloaded

    def test_a_class_without_a_type_is_a_base(self) -> None:
        """It is not registered, and neither is a subclass that adds nothing to an event."""
        before = event_types()

        class Base(Event):
            host: str = ""

        class Alias(ServiceFailed):
            pass

        assert event_types() == before
        assert event_class("service.failed") is ServiceFailed
        assert not hasattr(Base, "type")

    @pytest.mark.parametrize("name", ["", "Disk Filled", "disk:filled", "disk.filled\n"])
    def test_a_type_is_dotted_lower_case(self, name: str) -> None:
        """It becomes a part of Redis keys and URNs, so it holds no separators of theirs."""
        with pytest.raises(TypeError, match="dotted lower case"):

            class Bad(Event):
                type = name

    def test_a_version_counts_from_one(self) -> None:
        """Zero would mean that no version was named."""
        with pytest.raises(TypeError, match="version is 0; count from 1"):

            class Bad(Event):
                type = "disk.filled"
                version = 0

    def test_the_envelope_s_names_cannot_be_fields(self) -> None:
        """Data that shadowed the subject would be read back as something else."""
        with pytest.raises(TypeError, match=r"Bad.subject cannot be a field"):

            class Bad(Event):
                type = "disk.filled"
                subject: str = ""

    def test_an_unknown_type_is_named_with_the_known_ones(self) -> None:
        """The usual reason is a module nobody imported, so the error says so."""
        with pytest.raises(LookupError, match=r"'disk.emptied'.*import the module.*cache.lost"):
            event_class("disk.emptied")
        with pytest.raises(LookupError, match=r"'cache.lost' has no version 9; defined: 1"):
            event_class("cache.lost", 9)


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

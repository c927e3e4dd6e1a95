"""Events: construction, identity, and the registry that knows their types."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from antiphon_events import (
    Envelope,
    Event,
    Failure,
    InvalidAttribute,
    RecoveryCompleted,
    ServiceFailed,
    ServiceRestarted,
    attach,
    decode,
    event_class,
    event_types,
)
from vocabulary import envelope_of, own_vocabulary


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """Forget the events and upcasters a test defines."""
    with own_vocabulary():
        yield


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

"""A trace context as text."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.telemetry.traceparent import Traceparent
from antiphon_events import uuid7

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

contexts = st.builds(
    Traceparent,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
)


@given(contexts)
def test_what_is_written_is_read(context: Traceparent) -> None:
    """A context survives its text."""
    assert Traceparent.read(str(context)) == context


def test_the_example_of_the_standard_is_read() -> None:
    """The parts are where W3C Trace Context has them."""
    assert Traceparent.read(GOOD) == Traceparent(
        0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, sampled=True
    )


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True)]
)
def test_one_flag_alone_says_sampled(flags: str, *, sampled: bool) -> None:
    """The others have meanings of their own, or will have."""
    found = Traceparent.read(GOOD[:-2] + flags)
    assert found is not None
    assert found.sampled is sampled


def test_a_later_version_may_say_more() -> None:
    """What is known of a version to come is read, as the standard asks."""
    assert Traceparent.read(GOOD.replace("00-", "01-", 1) + "-more") == Traceparent.read(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        None, "", "00-1", GOOD.upper(), GOOD + "-more", GOOD.replace("00-", "ff-", 1), GOOD + "\n",
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        GOOD.replace("4bf9", "4 f9"), GOOD.replace("4bf9", "4_f9"),
    ],
)  # fmt: skip
def test_what_is_none_is_none(text: str | None) -> None:
    """Whatever a foreign writer puts there is a context or nothing, and never an error."""
    assert Traceparent.read(text) is None


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    """Reading never fails."""
    Traceparent.read(text)


def test_the_trace_of_a_recovery_is_its_correlation_id() -> None:
    """A person who knows the one can type the other."""
    recovery = uuid7()
    derived = Traceparent.of_recovery(recovery, recovery)
    assert str(derived).split("-")[1] == uuid.UUID(recovery).hex


@given(st.text(), st.text())
def test_any_ids_make_a_context(correlation_id: str, event_id: str) -> None:
    """It is valid, and the same for all who ask."""
    derived = Traceparent.of_recovery(correlation_id, event_id)
    assert derived == Traceparent.of_recovery(correlation_id, event_id)
    assert Traceparent.read(str(derived)) == derived

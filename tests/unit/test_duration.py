"""Durations: what people write, and nothing that could be misread."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from antiphon.duration import Duration, duration, format_duration, milliseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("1.5s", timedelta(seconds=1.5)),
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("7d", timedelta(days=7)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("1m5ms", timedelta(minutes=1, milliseconds=5)),
        (" 5s\n", timedelta(seconds=5)),
        ("0s", timedelta(0)),
    ],
)
def test_reads_what_people_write(text: str, expected: timedelta) -> None:
    """Every documented form means what it says."""
    assert duration(text) == expected


def test_passes_a_timedelta_through() -> None:
    """Code that has a timedelta need not write text."""
    assert duration(timedelta(hours=2)) == timedelta(hours=2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "5",
        "5 s",
        "s",
        "-5s",
        "1e3s",
        "1.s",
        "30m1h",
        "5s5s",
        "5S",
        "PT5S",
        "\N{ARABIC-INDIC DIGIT FIVE}s",
        "∞d",
    ],
)
def test_refuses_what_could_be_misread(text: str) -> None:
    """A refusal repeats the value and shows the accepted forms."""
    with pytest.raises(ValueError, match=r"'250ms', '1\.5s', '10m', '1h30m' or '7d'") as refusal:
        duration(text)
    assert repr(text) in str(refusal.value)


def test_refuses_a_number_without_a_unit() -> None:
    """A number from untyped code is refused like any other wrong value."""
    with pytest.raises(ValueError, match="30 is not a duration"):
        duration(30)  # type: ignore[arg-type]


def test_refuses_a_negative_timedelta() -> None:
    """No option means anything with a negative duration."""
    with pytest.raises(ValueError, match="negative"):
        duration(timedelta(seconds=-1))


@pytest.mark.parametrize("text", ["9999999999d", "9" * 400 + "d"])
def test_refuses_what_no_timedelta_holds(text: str) -> None:
    """A number too large is a wrong value, not an overflow."""
    with pytest.raises(ValueError, match="too long"):
        duration(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_reads_back_what_it_writes(value: timedelta) -> None:
    """Writing a duration and reading it again loses nothing."""
    assert duration(format_duration(value)) == value


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_milliseconds_round_up(value: timedelta) -> None:
    """A positive duration never becomes 0, which Redis reads as for ever or as an error."""
    count = milliseconds(value)
    assert timedelta(milliseconds=count - 1) < value <= timedelta(milliseconds=count)


class _Model(BaseModel):
    wait: Duration


def test_is_a_field_of_a_model() -> None:
    """A pydantic field reads text and timedeltas, and JSON carries the readable form."""
    assert _Model.model_validate({"wait": "1h30m"}) == _Model(wait=timedelta(minutes=90))
    assert _Model(wait=timedelta(minutes=90)).model_dump_json() == '{"wait":"1h30m"}'
    assert _Model.model_validate_json('{"wait":"1h30m"}').wait == timedelta(minutes=90)


def test_explains_itself_in_a_model() -> None:
    """A wrong field is a validation error with the same words."""
    with pytest.raises(ValidationError, match="'soon' is not a duration"):
        _Model.model_validate({"wait": "soon"})

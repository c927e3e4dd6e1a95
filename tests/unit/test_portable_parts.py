"""Descriptions of handlers: the same in another process, and told apart by what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from antiphon import Service
from antiphon.choreography import Choreography, examine
from antiphon.choreography.document import document
from antiphon.choreography.portable import Description
from antiphon.choreography.running import Gone, Running
from examples import event_driven, hybrid, parallel, sequential, state_machine

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EXAMPLES = (event_driven, hybrid, parallel, sequential, state_machine)


def of(module: object) -> Choreography:
    return Choreography.of(*(one for one in vars(module).values() if isinstance(one, Service)))


def described(choreography: Choreography) -> list[Description]:
    return [Description(part, choreography.aims) for part in choreography.parts]


@pytest.mark.parametrize("module", EXAMPLES)
def test_it_survives_the_way(module: object) -> None:
    """A description that was written and read says all that it said: also the checks agree."""
    choreography = of(module)
    read = [Description.from_json(one.to_json()) for one in described(choreography)]
    assert read == described(choreography)
    running = Running.of(NOW, read).choreography
    told = document(running)
    assert told["goals"] == document(choreography)["goals"]
    by_group = {one["group"]: one for one in told["handlers"]}
    assert by_group == {one["group"]: one for one in document(choreography)["handlers"]}
    assert {one.code for one in examine(running)} == {one.code for one in examine(choreography)}


def test_where_the_code_stands_does_not_count() -> None:
    """The same release may be installed anywhere; whatever else differs makes another."""
    part = of(sequential).parts[0]
    digest = Description(part).digest
    assert Description(replace(part, file="/elsewhere.py", line=7)).digest == digest
    assert Description(replace(part, attempts=part.attempts + 1)).digest != digest
    assert Description(replace(part, triggers=())).digest != digest
    assert Description(replace(part, within=timedelta(hours=1))).digest != digest


@pytest.mark.parametrize(
    "text", [b"{}", b"[]", b"1", b"null", b'{"form":2}', b'{"form":1,"part":{},"aims":[]}', b"\xff"]
)
def test_what_is_no_description_is_refused(text: bytes) -> None:
    """Somebody else's field, or one of a later release, is an error of one kind."""
    with pytest.raises(ValueError):  # noqa: PT011  orjson's is one, too
        Description.from_json(text)


def test_what_a_later_release_adds_is_passed_over() -> None:
    """As long as the form is the same."""
    (first, *_) = described(of(sequential))
    told = orjson.loads(first.to_json())
    told["part"]["more"] = told["more"] = 1
    assert Description.from_json(orjson.dumps(told)) == first


def test_two_descriptions_of_a_group_are_variants() -> None:
    """Both are in the choreography, and each says which it is."""
    (first, *others) = described(of(sequential))
    second = replace(first, part=replace(first.part, attempts=99))
    running = Running.of(NOW, [first, second, *others])
    group = first.part.group
    assert running.variants == (group,)
    parts = [part for part in running.choreography.parts if part.group == group]
    assert {part.guards[0] for part in parts} == {("variant", "1 of 2"), ("variant", "2 of 2")}
    assert any("described in several ways" in line for line in running.remarks())


def test_what_is_not_described_is_said() -> None:
    """A worker of an earlier release, and a handler that nobody runs any more."""
    (first, *_) = described(of(sequential))
    gone = Gone("old.gone", NOW - timedelta(minutes=5))
    running = Running.of(NOW, [first], at_work=[first.part.group, "a.silent"], gone=[gone])
    assert running.silent == ("a.silent",)
    said = list(running.remarks())
    assert said == [
        "a.silent is at work and does not say what it does: its release is another",
        "old.gone is not run by any worker: the last one answered until 11:55:00 UTC",
    ]
    assert running.to_dict() == {
        "taken": "2026-11-22T12:00:00.000Z",
        "variants": [],
        "silent": ["a.silent"],
        "gone": [{"group": "old.gone", "since": "2026-11-22T11:55:00.000Z"}],
    }

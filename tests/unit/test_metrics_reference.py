"""The reference of metrics says what the registry holds, and both keep to Prometheus's manners."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any, get_args

import pytest
from prometheus_client import REGISTRY, Metric

from antiphon.records import Status
from antiphon.survey import Circuit, Queue, Survey, Use
from antiphon.telemetry import metrics
from antiphon.telemetry.cell import CELL, Cell
from antiphon.telemetry.series import exemplar
from documents import code, rows, section

PAGE = "reference/metrics.md"
PROCESS, WHOLE = "## Of one process", "## Of the cell"

_BASE_UNITS = ("_seconds", "_total", "_timestamp_seconds")
_LONG = "x" * 115

Described = tuple[str, frozenset[str]]
"""A metric's type, and its labels."""


def documented(heading: str) -> dict[str, Described]:
    table = [row for row in rows(section(PAGE, heading)) if row[0].startswith("`antiphon_")]
    return {code(name)[0]: (kind, frozenset(code(labels))) for name, kind, _, labels, _ in table}


def registered() -> dict[str, Described]:
    """What this process registers, by the names under which samples are told."""
    found: dict[str, Described] = {}
    collectors: set[Any] = set(REGISTRY._collector_to_names)
    for collector in collectors:
        if collector is CELL or not type(collector).__module__.startswith(
            ("prometheus_client.metrics", "antiphon.")
        ):
            continue
        counter = getattr(collector, "_counter", collector)
        for family in collector.describe() if collector is not counter else counter.describe():
            if family.name.startswith("antiphon_"):
                name = f"{family.name}_total" if family.type == "counter" else family.name
                found[name] = (family.type, frozenset(counter._labelnames))
    return found


def surveyed() -> dict[str, Metric]:
    """What is told of a cell in which there is one of everything."""
    cell, second = Cell(), timedelta(seconds=1)
    cell.update(
        Survey(
            taken=1.0,
            queues=(Queue(group="a.b", stream="c", lag=1, pending=1, oldest_pending=second),),
            dead_letters={"a.b": 1},
            circuits=(Circuit(name="db", state="half-open", away=second),),
            uses=(Use(guard="rate", name="cell", used=1, limit=2),),
            unacknowledged={1: 1},
        )
    )
    return {family.name: family for family in cell.collect()}


def test_what_a_process_counts_is_listed() -> None:
    """Each metric in the registry is on the page with its type and labels, and the other way."""
    assert registered() == documented(PROCESS)


def test_what_is_told_of_the_cell_is_listed() -> None:
    """So is each that a survey becomes, and each has a sample when there is something to tell."""
    told = {
        name: (family.type, frozenset(family.samples[0].labels))
        for name, family in surveyed().items()
    }
    assert told == documented(WHOLE)
    assert {family.name for family in Cell().describe()} == set(told)


EVERY = documented(PROCESS) | documented(WHOLE)


@pytest.mark.parametrize("name", EVERY)
def test_names_keep_to_conventions(name: str) -> None:
    """One prefix, base units, `_total` for what is counted and for nothing else."""
    kind, labels = EVERY[name]
    assert re.fullmatch(r"antiphon(_[a-z]+)+", name)
    assert name.endswith("_total") == (kind == "counter")
    assert not re.search(r"milli|micro|minutes|hours|_ms\b|percent", name)
    if re.search("duration|delay|age|timestamp", name):
        assert name.endswith(_BASE_UNITS)
    assert not labels & {"correlation_id", "subject", "event_id", "consumer", "instance", "job"}


def test_the_values_of_labels_are_listed() -> None:
    """Outcomes and verdicts are short lists, and the page has them whole."""
    table = {
        code(row[0])[0]: set(code(row[1]))
        for row in rows(section(PAGE, PROCESS))
        if row[0].startswith("`") and len(row) == 2
    }
    assert table["outcome"] == set(get_args(metrics.Ending))
    assert table["verdict"] == set(get_args(Status)) - {"open"}


def test_types_nobody_knows_are_counted_as_one() -> None:
    """Whoever writes events of a thousand types makes no thousand series."""
    for number in range(50):
        metrics.closed(f"made.up{number}", "completed", 1.0, "one")
        metrics.published(f"made.up{number}")
    for name in ("antiphon_recoveries_closed", "antiphon_events_published"):
        (family,) = [one for one in REGISTRY.collect() if one.name == name]
        types = {sample.labels["event_type"] for sample in family.samples}
        assert not [word for word in types if word.startswith("made.up")]
        assert "other" in types


def test_types_nobody_knows_take_no_more_memory() -> None:
    """What is kept so as to find a series again is of types that are known."""
    metrics.published("service.failed")
    kept = len(metrics._children)
    for number in range(50):
        metrics.published(f"made.up{number}")
    assert len(metrics._children) == kept


def test_what_a_survey_found_is_told_as_that() -> None:
    """Each number under its own name, and of a breaker the state that it is in alone."""
    cell, second = Cell(), timedelta(seconds=1)
    cell.update(
        Survey(
            taken=1.0,
            queues=(Queue(group="a", stream="c", lag=1, pending=2, oldest_pending=3 * second),),
            dead_letters={"a": 4},
            open=5,
            stalled=6,
            oldest_open=7 * second,
            circuits=(Circuit(name="db", state="half-open", away=8 * second),),
            uses=(Use(guard="rate", name="cell", used=9, limit=10),),
            unlisted=11,
            unacknowledged={1: 12, 2: 13},
            oldest_unacknowledged=14 * second,
            approvals=15,
            pauses=16,
        )
    )
    told = {
        (family.name.removeprefix("antiphon_"), *sample.labels.values()): sample.value
        for family in cell.collect()
        for sample in family.samples
    }
    del told["survey_timestamp_seconds",]
    assert told == {
        ("queue_lag", "a", "c"): 1,
        ("queue_pending", "a", "c"): 2,
        ("queue_oldest_pending_age_seconds", "a", "c"): 3,
        ("dead_letters_kept", "a"): 4,
        ("recoveries_open",): 5,
        ("recoveries_stalled",): 6,
        ("recoveries_oldest_open_age_seconds",): 7,
        ("breaker_state", "db", "closed"): 0,
        ("breaker_state", "db", "open"): 0,
        ("breaker_state", "db", "half_open"): 1,
        ("breaker_open_seconds", "db"): 8,
        ("guard_used", "rate", "cell"): 9,
        ("guard_limit", "rate", "cell"): 10,
        ("guards_unlisted",): 11,
        ("escalations_unacknowledged", "1"): 12,
        ("escalations_unacknowledged", "2"): 13,
        ("escalation_oldest_unacknowledged_age_seconds",): 14,
        ("approvals_pending",): 15,
        ("pauses",): 16,
    }


@pytest.mark.parametrize("name", [_LONG, "two\nlines", "\ud800"])
def test_what_fits_into_no_exemplar_is_observed_without(name: str) -> None:
    """A correlation id anybody may choose must not break what everybody reads."""
    assert exemplar(name) is None
    metrics.Steps("unit.exemplar").ended("completed", 1.0, name)


def test_a_survey_that_has_aged_is_told_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute only its instant is told: an old queue would be a wrong alarm."""
    cell = Cell()
    monkeypatch.setattr("antiphon.telemetry.cell.time.time", lambda: 5.0)
    cell.update(Survey(taken=400.0, open=3))  # by the server's clock, which may differ
    now = time.monotonic()
    monkeypatch.setattr("antiphon.telemetry.cell.time.monotonic", lambda: now + 61)
    told = {sample.name: sample.value for family in cell.collect() for sample in family.samples}
    assert told == {"antiphon_survey_timestamp_seconds": 5.0}

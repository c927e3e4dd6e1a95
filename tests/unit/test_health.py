"""The probe's judgement: when consecutive checks become news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon_events import Failure, ServiceDegraded, ServiceFailed, ServiceRecovered
from antiphon_handlers.http_probe import Health, Incident, Target, Turn, decide

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
URL = "http://127.0.0.1:1/health"


def turns(checks: list[bool], *, failures: int, successes: int) -> list[Turn | None]:
    health, found = Health(), []
    for good in checks:
        health, turn = decide(health, good=good, failures=failures, successes=successes)
        found.append(turn)
    return found


def incident(**options: object) -> Incident:
    return Incident(Target(url=URL, subject="orders-db", **options))  # type: ignore[arg-type]


def test_down_takes_as_many_bad_checks_in_a_row_as_asked() -> None:
    """Two bad checks of three are no news, and a good one in between starts the count again."""
    checks = [False, False, True, False, False, False, False]
    assert turns(checks, failures=3, successes=1) == [*[None] * 5, Turn.DOWN, None]


def test_up_takes_as_many_good_checks_in_a_row_as_asked() -> None:
    """A service that answers once and fails again has not come back."""
    checks = [False, True, False, True, True]
    assert turns(checks, failures=1, successes=2) == [Turn.DOWN, None, None, None, Turn.UP]


@given(
    checks=st.lists(st.booleans(), max_size=60),
    failures=st.integers(1, 5),
    successes=st.integers(1, 5),
)
def test_down_and_up_alternate_and_each_is_earned(
    checks: list[bool], failures: int, successes: int
) -> None:
    """Whatever the checks, news alternates from down, and follows a full streak that agrees."""
    found = turns(checks, failures=failures, successes=successes)
    news = [turn for turn in found if turn is not None]
    assert news == [Turn.DOWN if n % 2 == 0 else Turn.UP for n in range(len(news))]
    for place, turn in enumerate(found):
        if turn is not None:
            needed = failures if turn is Turn.DOWN else successes
            streak = checks[place + 1 - needed : place + 1]
            assert streak == [turn is Turn.UP] * needed


def test_going_down_is_told_once() -> None:
    """However long the service stays down, there is one failure, and it says what was seen."""
    probe = incident(failures=2)
    events = [probe.observe("refused", START + timedelta(seconds=n)) for n in range(6)]
    (failed,) = [event for event in events if event is not None]
    assert failed == ServiceFailed(
        subject="orders-db", reason=f"2 checks of {URL} in a row failed: refused"
    )


def test_what_lasts_is_told_again() -> None:
    """Down for long is said from time to time, and not to a recovery that has come back."""
    watched = incident(failures=1, repeat=timedelta(seconds=10))
    problems = ["gone", *["gone"] * 25, None, *[None] * 20]
    told = [
        (second, type(event))
        for second, problem in enumerate(problems)
        if (event := watched.observe(problem, START + timedelta(seconds=second)))
    ]
    assert told == [
        (0, ServiceFailed),
        (10, ServiceFailed),
        (20, ServiceFailed),
        (26, ServiceRecovered),
    ]


def test_coming_back_is_told_once() -> None:
    """However long the service stays up again, there is one recovery for one failure."""
    probe = incident(failures=2, successes=2)
    checks = ["refused", "refused", None, "refused", None, None, None, None]
    events = [probe.observe(p, START + timedelta(seconds=n)) for n, p in enumerate(checks)]
    assert [event.type for event in events if event] == ["service.failed", "service.recovered"]


def test_downtime_counts_from_the_first_bad_check() -> None:
    """The downtime spans the checks that led to the failure, not only those after it."""
    probe = incident(failures=3)
    checks = ["refused", None, "refused", "refused", "refused", "refused", None]
    events = [probe.observe(p, START + timedelta(seconds=n)) for n, p in enumerate(checks)]
    assert isinstance(events[-1], ServiceRecovered)
    assert events[-1].downtime_ms == 4000


def test_every_outage_has_its_own_downtime() -> None:
    """A second outage is a new failure, and its downtime does not include the first."""
    probe = incident(failures=1)
    checks = ["refused", "refused", None, "refused", None]
    events = [probe.observe(p, START + timedelta(seconds=n)) for n, p in enumerate(checks)]
    recovered = [event for event in events if isinstance(event, ServiceRecovered)]
    assert [event.downtime_ms for event in recovered] == [2000, 1000]


def test_the_kind_of_failure_is_the_owners_choice() -> None:
    """A probe told to publish another failure publishes that one."""
    failed = incident(failures=1, failure=ServiceDegraded).observe("slow", START)
    assert isinstance(failed, Failure)
    assert failed.type == "service.degraded"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"failures": 0}, "failures=0"),
        ({"successes": -1}, "successes=-1"),
        ({"every": timedelta(0)}, "every=0:00:00"),
        ({"timeout": timedelta(0)}, "timeout=0:00:00"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(options: dict[str, object], said: str) -> None:
    """A threshold below one, or no time at all, is refused when written, naming the value."""
    with pytest.raises(ValueError, match=said):
        incident(**options)

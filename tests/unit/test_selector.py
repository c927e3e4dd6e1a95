"""Selectors: which events a handler reacts to."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon_events import (
    Failure,
    InvalidAttribute,
    Selector,
    ServiceDegraded,
    ServiceFailed,
    ServiceRestarted,
)


def test_a_type_alone_selects_every_event_of_it() -> None:
    """Without subjects or predicates, any event of the type matches and no other."""
    selector = Selector(ServiceFailed)

    assert selector.matches(ServiceFailed(subject="orders-db"))
    assert selector.matches(ServiceFailed(subject="orders-api"))
    assert not selector.matches(ServiceRestarted(subject="orders-db"))


def test_about_narrows_to_the_subjects_named() -> None:
    """Only the subjects named match, known even before the event is decoded."""
    selector = ServiceFailed.about("orders-db", "orders-cache")

    assert selector.matches_subject("orders-db")
    assert selector.matches_subject("orders-cache")
    assert not selector.matches_subject("orders-api")
    assert selector.matches(ServiceFailed(subject="orders-db"))
    assert not selector.matches(ServiceFailed(subject="orders-api"))


def test_about_nothing_means_about_anything() -> None:
    """An empty list of subjects does not select nothing."""
    assert ServiceFailed.about().matches_subject("orders-db")


def test_about_again_widens() -> None:
    """Subjects add up, in any order."""
    twice = ServiceFailed.about("a").about("b")

    assert twice == ServiceFailed.about("b", "a")
    assert hash(twice) == hash(ServiceFailed.about("b", "a"))


def test_predicates_must_all_hold() -> None:
    """Each one narrows further, and sees the event in its own type."""
    selector = ServiceRestarted.where(lambda event: event.pid is not None).where(
        lambda event: event.url.startswith("http")
    )

    assert selector.matches(ServiceRestarted(subject="web", pid=1, url="http://localhost"))
    assert not selector.matches(ServiceRestarted(subject="web", pid=1))
    assert not selector.matches(ServiceRestarted(subject="web", url="http://localhost"))


def test_a_predicate_is_not_asked_about_other_subjects() -> None:
    """The cheap questions come first."""
    asked: list[str] = []

    def ask(event: ServiceFailed) -> bool:
        asked.append(event.subject)
        return True

    assert not ServiceFailed.about("a").where(ask).matches(ServiceFailed(subject="b"))
    assert asked == []


def test_narrowing_leaves_the_selector_it_started_from() -> None:
    """Selectors are values: about and where return new ones."""
    every = Selector(ServiceFailed)

    every.about("a").where(bool)

    assert every == Selector(ServiceFailed)


def test_a_base_of_events_cannot_be_selected() -> None:
    """A handler that would never be called is refused where it is written."""
    with pytest.raises(TypeError, match="Failure has no type"):
        Failure.about("orders-db")


def test_a_union_cannot_be_selected() -> None:
    """A selector is of one class; several are selected one by one."""
    union: Any = ServiceFailed | ServiceDegraded
    with pytest.raises(TypeError, match=r"ServiceFailed \| .* is not a class of events"):
        Selector(union)


@pytest.mark.parametrize("subject", ["", "a\nb", "x" * 257])
def test_a_subject_no_event_can_have_is_refused(subject: str) -> None:
    """The rules are those of the event's own subject."""
    with pytest.raises(InvalidAttribute, match="subject"):
        ServiceFailed.about(subject)

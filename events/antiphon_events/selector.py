"""The selector: which events a handler reacts to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from antiphon_events.attribute import check_text

if TYPE_CHECKING:
    from antiphon_events.event import Event


@dataclass(frozen=True, slots=True)
class Selector:
    """One type of event, narrowed by subject and by content.

    Attributes:
        event: The class of the events.
        subjects: The subjects to react to; empty means any.
        predicates: Conditions that must all hold. They see the decoded event and must be pure.

    Raises:
        TypeError: It is no class, or one that has no ``type``, so no such event is ever published.
    """

    event: type[Event]
    subjects: frozenset[str] = frozenset()
    predicates: tuple[Callable[[Any], bool], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.event, type):
            raise TypeError(f"{self.event!r} is not a class of events; select one class at a time")
        if not hasattr(self.event, "type"):
            raise TypeError(
                f"{self.event.__name__} has no type: it is a base of events; select one of them"
            )
        for subject in self.subjects:
            check_text("subject", subject)

    def about(self, *subjects: str) -> Self:
        """Also accept these subjects; the first ones given narrow it from any to those."""
        return replace(self, subjects=self.subjects.union(subjects))

    def where(self, predicate: Callable[[Any], bool]) -> Self:
        """Ask for one more condition."""
        return replace(self, predicates=(*self.predicates, predicate))

    def matches_subject(self, subject: str) -> bool:
        """Say whether an event about this subject may match; needs no decoded event."""
        return not self.subjects or subject in self.subjects

    def matches(self, event: Event) -> bool:
        """Say whether the event is selected. What a predicate raises is passed on."""
        return (
            isinstance(event, self.event)
            and self.matches_subject(event.subject)
            and all(predicate(event) for predicate in self.predicates)
        )

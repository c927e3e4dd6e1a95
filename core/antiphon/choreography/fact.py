"""The fact: one event of the choreography, as a type and what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from antiphon_events import ChildClosed, Event, Failure, JoinTimedOut, Lifecycle, StepFailed

_OURS = (Lifecycle, StepFailed, JoinTimedOut, ChildClosed)


class Kind(StrEnum):
    """Where events of a type come from."""

    FAILURE = "failure"
    """From outside: probes, services and people publish them."""
    COMPLETION = "completion"
    """From handlers."""
    LIFECYCLE = "lifecycle"
    """From Antiphon itself."""

    @classmethod
    def of(cls, event: type[Event]) -> Kind:
        """The kind of an event class."""
        if issubclass(event, Failure):
            return cls.FAILURE
        return cls.LIFECYCLE if issubclass(event, _OURS) else cls.COMPLETION

    @property
    def unbidden(self) -> bool:
        """Whether such events come although no handler publishes them."""
        return self is not Kind.COMPLETION


@dataclass(frozen=True, slots=True)
class Fact:
    """Events of one type, about one subject or about any."""

    type: str
    kind: Kind
    subject: str | None = None
    """None: any."""

    def __str__(self) -> str:
        return self.type if self.subject is None else f"{self.type} about {self.subject}"


def fact_of(event: type[Event]) -> Fact:
    """The events of a class, whatever they are about."""
    return Fact(event.type, Kind.of(event))

"""The emission: an event that a handler may bring about, and on which occasion."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from antiphon.choreography.fact import Fact


class How(StrEnum):
    """On which occasion an event comes."""

    PUBLISHES = "publishes"
    """The handler publishes it with its outcome."""
    LATER = "publishes later"
    """The same, put off for some time."""
    FAILURE = "on failure"
    """It is published when the step is given up."""
    TIMEOUT = "on timeout"
    """Antiphon publishes it when the handler's join has waited long enough."""
    STARTS = "starts"
    """The handler starts a child recovery with it."""
    CHILD = "when a child is over"
    """Antiphon publishes it when such a child is over."""

    @property
    def promised(self) -> bool:
        """Whether it comes with the handler's outcome, in the same recovery."""
        return self in {How.PUBLISHES, How.LATER}


@dataclass(frozen=True, slots=True)
class Emission:
    """Events of one type that a handler may bring about; the subject of each is unknown."""

    fact: Fact
    how: How = How.PUBLISHES
    after: str = ""
    """How long after the commit, as the code says it; empty when it does not say plainly."""

    def __str__(self) -> str:
        """The event, and when it comes."""
        match self.how:
            case How.LATER:
                return f"{self.fact} after {self.after or 'some time'}"
            case How.STARTS:
                return f"{self.fact}, as a child recovery"
            case _:
                return str(self.fact)

"""The choreography: handlers and events, and which of them can lead to which.

A subject is not in a signature, so what a handler completes with may be about anything: it leads
to every handler that reacts to its type, about whatever subject and on whatever condition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from antiphon.choreography.aim import Aim, aim_of
from antiphon.choreography.emission import Emission
from antiphon.choreography.fact import Fact
from antiphon.choreography.part import Part, part_of

if TYPE_CHECKING:
    from antiphon.service import Service


@dataclass(frozen=True, slots=True)
class Choreography:
    """What some services do together."""

    services: tuple[str, ...]
    parts: tuple[Part, ...]
    """Their handlers, in the order given."""
    aims: tuple[Aim, ...] = ()
    """Their goals."""

    @classmethod
    def of(cls, *services: Service) -> Choreography:
        """Read the choreography of services; one that is given twice counts once."""
        given = tuple(dict.fromkeys(services))
        return cls(
            tuple(dict.fromkeys(service.name for service in given)),
            tuple(part_of(handler) for service in given for handler in service.handlers),
            tuple(aim_of(goal) for service in given for goal in service.goals),
        )

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The events, in the order in which handlers hear and bring them about."""
        heard = {part: [fact for fact, _ in _reactions(part)] for part in self.parts}
        found = (
            fact
            for part in self.parts
            for fact in (*heard[part], *(fact for fact, _ in self.outcomes(part)))
        )
        return tuple(dict.fromkeys(found))

    @property
    def reactions(self) -> tuple[tuple[Fact, Part], ...]:
        """Which event each handler reacts to."""
        return tuple(reaction for part in self.parts for reaction in _reactions(part))

    def outcomes(self, part: Part) -> tuple[tuple[Fact, Emission], ...]:
        """The events that what a handler brings about may be.

        They are those that somebody reacts to; one that has a subject is a guess. One that nobody
        reacts to is there as such.
        """
        return tuple(
            dict.fromkeys(
                (fact, emission)
                for emission in part.emissions
                for fact in self._heard_as(emission.fact) or [emission.fact]
            )
        )

    def completions(self, part: Part) -> tuple[Fact, ...]:
        """The same, of what a handler publishes with its outcome."""
        return tuple(
            dict.fromkeys(fact for fact, emission in self.outcomes(part) if emission.how.promised)
        )

    def followers(self, part: Part) -> tuple[Part, ...]:
        """The handlers that what this one brings about may trigger."""
        return tuple(
            other
            for other in self.parts
            if any(other.hears(emission.fact.type) for emission in part.emissions)
        )

    def publishers(self, type_: str) -> tuple[Part, ...]:
        """The handlers by which events of a type come about."""
        return tuple(part for part in self.parts if part.brings(type_))

    def hearers(self, fact: Fact) -> tuple[Part, ...]:
        """The handlers that react to an event."""
        return tuple(part for heard, part in self.reactions if heard == fact)

    def _heard_as(self, promised: Fact) -> list[Fact]:
        return [fact for fact, _ in self.reactions if fact.type == promised.type]


def _reactions(part: Part) -> tuple[tuple[Fact, Part], ...]:
    facts = dict.fromkeys(fact for trigger in part.triggers for fact in trigger.facts)
    return tuple((fact, part) for fact in facts)

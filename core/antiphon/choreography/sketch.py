"""The sketch: a choreography as nodes and lines, before it is written in a drawing language."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.fact import Fact
from antiphon.choreography.part import Part
from antiphon.choreography.text import words


@dataclass(frozen=True, slots=True)
class Node:
    """Something with a label."""

    id: str
    look: str
    """``failure``, ``completion``, ``lifecycle``, ``handler`` or ``join``."""
    label: tuple[str, ...]
    """One text for each of its lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """From one node to another."""

    start: str
    end: str
    sure: bool = True
    """Or else it depends on the subject."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is to be drawn."""

    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, choreography: Choreography) -> Sketch:
        """Sketch events, handlers, and a node before each handler that has a join."""
        events = {fact: f"e{number}" for number, fact in enumerate(choreography.facts)}
        handlers = {part: f"h{number}" for number, part in enumerate(choreography.parts)}
        joins = {part: f"j{id_[1:]}" for part, id_ in handlers.items() if part.join}
        return cls(
            (
                *(_event_node(id_, fact) for fact, id_ in events.items()),
                *(Node(id_, "join", (part.join or "",)) for part, id_ in joins.items()),
                *(_handler_node(id_, part) for part, id_ in handlers.items()),
            ),
            (
                *(
                    Line(events[fact], joins.get(part, handlers[part]))
                    for fact, part in choreography.reactions
                ),
                *(Line(id_, handlers[part]) for part, id_ in joins.items()),
                *(
                    Line(id_, events[fact], sure=fact.subject is None)
                    for part, id_ in handlers.items()
                    for fact in choreography.completions(part)
                ),
            ),
        )


def _event_node(id_: str, fact: Fact) -> Node:
    about = () if fact.subject is None else (f"about {fact.subject}",)
    return Node(id_, str(fact.kind), (fact.type, *about))


def _handler_node(id_: str, part: Part) -> Node:
    return Node(id_, "handler", (part.group, *words(part)))

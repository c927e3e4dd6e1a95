"""The sketch: a choreography as nodes and lines, before it is written in a drawing language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.consent import consent
from antiphon.choreography.emission import Emission, How
from antiphon.choreography.fact import Fact
from antiphon.choreography.part import Part
from antiphon.choreography.text import words
from antiphon.duration import format_duration

_LABELS = {How.FAILURE: "on failure", How.TIMEOUT: "too late", How.STARTS: "starts a child"}


@dataclass(frozen=True, slots=True)
class Node:
    """Something with a label."""

    id: str
    look: str
    """``failure``, ``completion`` or ``lifecycle`` for events; ``handler``, ``join``, ``approval``
    or ``undo``."""
    label: tuple[str, ...]
    """One text for each of its lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """From one node to another."""

    start: str
    end: str
    look: str = "sure"
    """``sure``; ``unsure`` when it depends on the subject; ``failure`` for what a step leaves that
    is given up; ``back`` for what takes it back."""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is to be drawn."""

    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, choreography: Choreography) -> Sketch:
        """Sketch events and handlers, each behind what it waits for: branches, then people."""
        events = {fact: f"e{number}" for number, fact in enumerate(choreography.facts)}
        stages = [_Stage.of(part, str(number)) for number, part in enumerate(choreography.parts)]
        entrances = {stage.part: stage.before[0].id for stage in stages}
        goals = {aim.completion.type for aim in choreography.aims}
        return cls(
            (
                *(_event_node(id_, fact, goals) for fact, id_ in events.items()),
                *(node for stage in stages for node in stage.before[:-1]),
                *(stage.handler for stage in stages),
                *(node for stage in stages for node in stage.undo),
            ),
            (
                *(Line(events[fact], entrances[part]) for fact, part in choreography.reactions),
                *(line for stage in stages for line in stage.passage()),
                *(
                    _outcome(stage, events[fact], fact, emission)
                    for stage in stages
                    for fact, emission in choreography.outcomes(stage.part)
                ),
                *(Line(n.id, s.handler.id, "back", "undoes") for s in stages for n in s.undo),
            ),
        )


@dataclass(frozen=True, slots=True)
class _Stage:
    """A handler with the nodes around it."""

    part: Part
    before: tuple[Node, ...]
    """From where its events come in to the handler itself."""
    undo: tuple[Node, ...]

    @classmethod
    def of(cls, part: Part, number: str) -> _Stage:
        handler = Node(f"h{number}", "handler", (part.group, *words(part)))
        undo = [Node(f"u{number}", "undo", (f"undo: {part.undo}",))] if part.undo else []
        return cls(part, (*_waits(part, number), handler), tuple(undo))

    @property
    def handler(self) -> Node:
        return self.before[-1]

    def passage(self) -> Iterator[Line]:
        for first, second in zip(self.before, self.before[1:], strict=False):
            yield Line(first.id, second.id)


def _waits(part: Part, number: str) -> Iterator[Node]:
    if part.join:
        within = [f"at most {format_duration(part.within)}"] if part.within is not None else []
        losers = ["losers do not begin"] if part.losers == "cancel" else []
        yield Node(f"j{number}", "join", (part.join, *within, *losers))
    if part.approval:
        yield Node(f"a{number}", "approval", ("approval", *consent(part.approval)))


def _outcome(stage: _Stage, event: str, fact: Fact, emission: Emission) -> Line:
    """A line from the handler, or from its join when that is what it is about."""
    look = "sure" if fact.subject is None else "unsure"
    if emission.how in {How.FAILURE, How.TIMEOUT}:
        look = "failure"
    start = stage.before[0] if emission.how is How.TIMEOUT else stage.handler
    after = f"after {emission.after or 'some time'}" if emission.how is How.LATER else ""
    return Line(start.id, event, look, after or _LABELS.get(emission.how, ""))


def _event_node(id_: str, fact: Fact, goals: set[str]) -> Node:
    about = () if fact.subject is None else (f"about {fact.subject}",)
    goal = ("goal",) if fact.type in goals else ()
    return Node(id_, str(fact.kind), (fact.type, *about, *goal))

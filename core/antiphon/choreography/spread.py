"""The spread of a recovery: what can still follow when some handlers have ended in a known way.

A way is one path through the choreography: each step is a handler, the event that triggered it,
and the alternative in which it ended. Whatever is not on the way is taken to end as well as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from antiphon.choreography.aim import Aim
from antiphon.choreography.choreography import Choreography
from antiphon.choreography.emission import How
from antiphon.choreography.part import Part, Trigger

_BESIDES = {How.PUBLISHES, How.LATER, How.CHILD}
"""A step that is given up is no way to a goal, nor is a join that waited too long."""


@dataclass(frozen=True, slots=True)
class End:
    """One of the ways in which a handler may end."""

    types: tuple[str, ...]
    """What follows in this recovery, all of it."""
    children: tuple[str, ...] = ()
    """What it starts other recoveries with."""
    vague: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A handler on the way."""

    part: Part
    trigger: Trigger
    """By which it was triggered."""
    end: End


Way = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Flood:
    """All that follows on something."""

    types: frozenset[str]
    """The events there are then, those it began with included."""
    parts: frozenset[Part]
    """The handlers that have run."""


class Spread:
    """A choreography as seen from one of its goals."""

    def __init__(self, choreography: Choreography, aim: Aim) -> None:
        self.aim = aim
        self.ends = {part: tuple(_ends(part)) for part in choreography.parts}
        self._hearers: dict[str, dict[Part, Trigger]] = {}
        for part in choreography.parts:
            for trigger in part.triggers:
                self._hearers.setdefault(trigger.type, {}).setdefault(part, trigger)
        self.leading = self._leading()
        """The handlers from which the goal can be reached at all."""
        self._able: set[str] = set()
        """The events that begin a child recovery which can reach the goal."""
        while more := {*self._able_children()} - self._able:
            self._able |= more

    def next_steps(self, way: Way, *, directed: bool = True) -> Iterator[Step]:
        """The steps that may follow on a way, or begin one.

        A handler that is on the way already is not on it twice.

        Args:
            way: so far.
            directed: leave out what leads nowhere near the goal while something beside it does.
        """
        known, found = {step.part for step in way}, self._heard(way)
        if directed and not self.leading.isdisjoint(found):
            found = {part: trigger for part, trigger in found.items() if part in self.leading}
        for part, trigger in found.items():
            if part not in known:
                for end in self.ends[part]:
                    yield Step(part, trigger, end)

    def goes_on(self, way: Way) -> bool:
        """Whether anybody hears what the last step of a way left."""
        return bool(self._heard(way))

    def reached(self, way: Way, *, trusting: bool = False) -> bool:
        """Whether the goal can still be reached: beside the way, or on from where it ends.

        Args:
            way: the steps that are known.
            trusting: take handlers beside the way to hear what they may, and not only what they
                surely do: for all they say, they may be about another subject.
        """
        beside = self._flood([self.aim.failure.type], way, trusting=trusting)
        if self.aim.completion.type in beside.types:
            return True
        return bool(way) and self.aim.completion.type in self._onward(way, beside).types

    def flood(self, way: Way) -> Flood:
        """What follows on the failure when the handlers on the way end as they did."""
        return self._flood([self.aim.failure.type], way)

    def _flood(self, begin: Iterable[str], way: Way = (), *, trusting: bool = False) -> Flood:
        fixed = {step.part: (step.end,) for step in way}
        met: dict[str, list[Trigger]] = {}
        for step in way:
            met.setdefault(step.trigger.type, []).append(step.trigger)

        def comes(part: Part, trigger: Trigger) -> bool:
            """Whether an event surely triggers a handler: one beside the way hears no less."""
            others = met.get(trigger.type, [])
            if not others and trigger.type == self.aim.failure.type:
                return trigger.meets(self.aim.failure)
            return trusting or part in fixed or all(trigger.covers(other) for other in others)

        def runs(part: Part, types: set[str]) -> bool:
            come = [t for t in part.triggers if t.type in types and comes(part, t)]
            if part.needed is None or not come:
                return bool(come)
            unbidden = [t for t in part.triggers if t.kind.unbidden and t not in come]
            return len(come) + len(unbidden) >= part.needed

        return self._follow(begin, runs, {**self.ends, **fixed})

    def _onward(self, way: Way, beside: Flood) -> Flood:
        """What can follow on the last step, also by another turn of those before it."""

        def runs(part: Part, types: set[str]) -> bool:
            come = (t.kind.unbidden or t.type in types | beside.types for t in part.triggers)
            return sum(come) >= (part.needed or 1)

        return self._follow(self._left(way[-1].end), runs, self.ends)

    def _follow(
        self,
        begin: Iterable[str],
        runs: Callable[[Part, set[str]], bool],
        ends: Mapping[Part, tuple[End, ...]],
    ) -> Flood:
        types, parts, ahead = set[str](), set[Part](), [*begin]
        while ahead:
            type_ = ahead.pop()
            if type_ in types:
                continue
            types.add(type_)
            for part in self._hearers.get(type_, ()):
                if part not in parts and runs(part, types):
                    parts.add(part)
                    ahead.extend(left for end in ends[part] for left in self._left(end))
        return Flood(frozenset(types), frozenset(parts))

    def _left(self, end: End) -> tuple[str, ...]:
        """What an end leaves in this recovery; and the goal, when a child may reach it."""
        able = not self._able.isdisjoint(end.children)
        return (*end.types, self.aim.completion.type) if able else end.types

    def _able_children(self) -> Iterator[str]:
        for child in {c for ends in self.ends.values() for end in ends for c in end.children}:
            if self.aim.completion.type in self._flood([child]).types:
                yield child

    def _heard(self, way: Way) -> dict[Part, Trigger]:
        """Who hears what the last step left, or what it begins with."""
        if way:
            return {p: t for type_ in way[-1].end.types for p, t in self._heard_as(type_).items()}
        return {
            part: trigger
            for part in self._heard_as(self.aim.failure.type)
            for trigger in reversed(part.triggers)
            if trigger.meets(self.aim.failure)
        }

    def _heard_as(self, type_: str) -> dict[Part, Trigger]:
        return self._hearers.get(type_, {})

    def _leading(self) -> frozenset[Part]:
        leads: dict[str, set[Part]] = {}
        for part, ends in self.ends.items():
            for type_ in {type_ for end in ends for type_ in (*end.types, *end.children)}:
                leads.setdefault(type_, set()).add(part)
        leading, ahead = set[Part](), [*leads.get(self.aim.completion.type, ())]
        while ahead:
            part = ahead.pop()
            if part not in leading:
                leading.add(part)
                ahead += (one for t in part.triggers for one in leads.get(t.type, ()))
        return frozenset(leading)


def _ends(part: Part) -> Iterator[End]:
    """Each alternative, with what the handler brings about whichever it is."""
    returned = {fact for one in part.alternatives for fact in one.facts}
    besides = [one.fact.type for one in part.emits(*_BESIDES) if one.fact not in returned]
    children = tuple(one.fact.type for one in part.emits(How.STARTS))
    for one in part.alternatives:
        types = dict.fromkeys([*(fact.type for fact in one.facts), *besides])
        yield End(tuple(types), children, one.vague or How.STARTS in part.unsaid)

"""The spread of a recovery: what can still follow when some handlers have ended in a known way.

A way is one path through the choreography: each step is a handler, the event that triggered it,
and the alternative in which it ended. Whatever is not on the way is taken to end as well as it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

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
class Spread:
    """A choreography as seen from one of its goals."""

    choreography: Choreography
    aim: Aim
    ends: Mapping[Part, tuple[End, ...]] = field(init=False, repr=False)
    leading: frozenset[Part] = field(init=False, repr=False)
    """The handlers from which the goal can be reached at all."""
    children: frozenset[str] = field(init=False, repr=False, default=frozenset())
    """The events that begin a recovery of their own which can reach the goal."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", {p: tuple(_ends(p)) for p in self.choreography.parts})
        object.__setattr__(self, "leading", self._leading())
        while more := {*self._able_children()} - self.children:
            object.__setattr__(self, "children", self.children | more)

    def next_steps(self, way: Way, *, directed: bool = True) -> Iterator[Step]:
        """The steps that may follow on a way, or begin one.

        A handler that is on the way already is not on it twice.

        Args:
            way: so far.
            directed: leave out what leads nowhere near the goal while something beside it does.
        """
        known, found = {step.part for step in way}, self._heard(way)
        if directed and any(part in self.leading for part, _ in found):
            found = [(part, trigger) for part, trigger in found if part in self.leading]
        for part, trigger in found:
            if part not in known:
                for end in self.ends[part]:
                    yield Step(part, trigger, end)

    def goes_on(self, way: Way) -> bool:
        """Whether anybody hears what the last step of a way left."""
        return any(True for _ in self._heard(way))

    def reached(self, way: Way) -> bool:
        """Whether the goal can still be reached: beside the way, or on from where it ends."""
        fired = self.fired(way)
        if self.aim.completion.type in self._left(fired, way):
            return True
        return bool(way) and self.aim.completion.type in self._onward(way, fired)

    def fired(self, way: Way) -> set[Part]:
        """The handlers that run when those on the way end as they did."""
        return self._fired(self.aim.failure.type, way)

    def _fired(self, begin: str, way: Way) -> set[Part]:
        fired: set[Part] = set()
        while True:
            left = self._left(fired, way, begin)
            more = {p for p in self.choreography.parts if self._runs(p, left, way)} - fired
            if not more:
                return fired
            fired |= more

    def _left(self, fired: Iterable[Part], way: Way, begin: str | None = None) -> set[str]:
        """The events there are when some handlers have run."""
        fixed = {step.part: (step.end,) for step in way}
        left = {begin or self.aim.failure.type}
        for part in fired:
            left.update(*(self._follows(end) for end in fixed.get(part, self.ends[part])))
        return left

    def _follows(self, end: End) -> set[str]:
        """What an end leaves in this recovery; and the goal, when a child may reach it."""
        reached = not self.children.isdisjoint(end.children)
        return {*end.types, *([self.aim.completion.type] if reached else [])}

    def _able_children(self) -> Iterator[str]:
        for child in {
            child for ends in self.ends.values() for end in ends for child in end.children
        }:
            if self.aim.completion.type in self._left(self._fired(child, ()), (), child):
                yield child

    def _runs(self, part: Part, left: set[str], way: Way) -> bool:
        come = [trigger for trigger in part.triggers if self._comes(part, trigger, left, way)]
        if part.needed is None or not come:
            return bool(come)
        unbidden = [t for t in part.triggers if t.kind.unbidden and t not in come]
        return len(come) + len(unbidden) >= part.needed

    def _comes(self, part: Part, trigger: Trigger, left: set[str], way: Way) -> bool:
        """Whether an event surely triggers a handler that is not on the way."""
        if trigger.type not in left:
            return False
        if any(step.part == part for step in way):
            return True
        met = [step.trigger for step in way if step.trigger.type == trigger.type]
        if not met and trigger.type == self.aim.failure.type:
            return trigger.meets(self.aim.failure)
        return all(trigger.covers(other) for other in met)

    def _onward(self, way: Way, fired: set[Part]) -> set[str]:
        """The events that can follow on the last step, also by another turn of those before it."""
        there, onward = self._left(fired, way), self._follows(way[-1].end)
        while True:
            more = {
                type_
                for part in self.choreography.parts
                if self._again(part, onward, there)
                for end in self.ends[part]
                for type_ in self._follows(end)
            }
            if more <= onward:
                return onward
            onward |= more

    def _again(self, part: Part, onward: set[str], there: set[str]) -> bool:
        if not any(trigger.type in onward for trigger in part.triggers):
            return False
        come = sum(t.type in onward | there or t.kind.unbidden for t in part.triggers)
        return come >= (part.needed or 1)

    def _heard(self, way: Way) -> list[tuple[Part, Trigger]]:
        found: dict[Part, Trigger] = {}
        for part in self.choreography.parts:
            for trigger in part.triggers:
                left = trigger.type in way[-1].end.types if way else trigger.meets(self.aim.failure)
                if left:
                    found.setdefault(part, trigger)
        return [*found.items()]

    def _leading(self) -> frozenset[Part]:
        wanted, leading = {self.aim.completion.type}, set[Part]()
        while True:
            more = {
                part
                for part, ends in self.ends.items()
                if any(not wanted.isdisjoint((*end.types, *end.children)) for end in ends)
            } - leading
            if not more:
                return frozenset(leading)
            leading |= more
            wanted |= {trigger.type for part in more for trigger in part.triggers}


def _ends(part: Part) -> Iterator[End]:
    """Each alternative, with what the handler brings about whichever it is."""
    returned = {fact for one in part.alternatives for fact in one.facts}
    besides = [one.fact.type for one in part.emits(*_BESIDES) if one.fact not in returned]
    children = tuple(one.fact.type for one in part.emits(How.STARTS))
    for one in part.alternatives:
        types = dict.fromkeys([*(fact.type for fact in one.facts), *besides])
        yield End(tuple(types), children, one.vague or How.STARTS in part.unsaid)

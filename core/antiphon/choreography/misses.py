"""The misses: ways from a failure on which a declared goal cannot be reached any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from antiphon.choreography.aim import Aim
from antiphon.choreography.blame import blame, unless
from antiphon.choreography.choreography import Choreography
from antiphon.choreography.emission import How
from antiphon.choreography.finding import Code, Finding, Severity
from antiphon.choreography.part import Part
from antiphon.choreography.spread import End, Spread, Step, Way

_MOST_WAYS = 500
"""More ways to choose are not looked at: they double with every choice that handlers have."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A way to its end, and where on it the goal was lost."""

    way: Way
    lost: Step | None
    """None when it could not be reached from the beginning."""
    waits: bool = False
    """Whether it ends at a join that does not get what it needs."""


def misses(choreography: Choreography) -> Iterator[Finding]:
    """What is found for every goal."""
    for aim in choreography.aims:
        spread = Spread(choreography, aim)
        if any(True for _ in spread.next_steps(())):
            for miss in _misses(spread):
                yield _finding(choreography, spread, miss)
        else:
            yield _unheard(aim)


def _misses(spread: Spread) -> Iterator[Miss]:
    """The shortest way to each end from which the goal is out of reach."""
    told: set[tuple[Part, End]] = set()
    # Each step once, which is quick; then again for each way to choose before it, while there is
    # patience: another choice may have lost what beside the way still led to the goal.
    for way, lost in chain(_lost(spread, choosing=False), _lost(spread, choosing=True)):
        for miss in _to_the_end(spread, way, lost):
            place = miss.way[-1].part, miss.way[-1].end
            if place not in told:
                told.add(place)
                yield miss


def _lost(spread: Spread, *, choosing: bool) -> Iterator[tuple[Way, Step | None]]:
    """The ways up to the step that loses the goal."""
    reachable = spread.reached(())
    ways: deque[Way] = deque([()])
    met: set[tuple[Step, frozenset[Step]]] = set()
    while ways and not (choosing and len(met) > _MOST_WAYS):
        way = ways.popleft()
        for step in spread.next_steps(way):
            longer = (*way, step)
            choices = frozenset(s for s in longer if choosing and len(spread.ends[s.part]) > 1)
            if (step, choices) in met or spread.aim.completion.type in step.end.types:
                continue
            met.add((step, choices))
            if not reachable:
                yield longer, None
            elif spread.reached(longer):
                ways.append(longer)
            else:
                yield longer, step


def _to_the_end(spread: Spread, way: Way, lost: Step | None) -> Iterator[Miss]:
    """Follow a way on which the goal is lost to where nobody goes on."""
    ways, met, ended = deque([way]), {way[-1]}, False
    while ways:
        longer = ways.popleft()
        last = longer[-1]
        waits = last.part.needed is not None and last.part not in spread.flood(longer).parts
        if waits or last.end.vague or not spread.goes_on(longer):
            ended = True
            yield Miss(longer, lost, waits)
            continue
        for step in spread.next_steps(longer, directed=False):
            if step not in met:
                met.add(step)
                ways.append((*longer, step))
    if not ended:  # it goes round for ever
        yield Miss(way, lost)


def _finding(choreography: Choreography, spread: Spread, miss: Miss) -> Finding:
    aim, last, lost = spread.aim, miss.way[-1], miss.lost
    until_lost = miss.way[: miss.way.index(lost) + 1] if lost else ()
    vague = [
        part.group
        for part in choreography.parts
        if part.unsaid & {How.PUBLISHES, How.STARTS} and not (part == last.part and last.end.vague)
    ]
    narrow = (
        spread.reached(until_lost, trusting=True)
        or not miss.way[0].trigger.covers(aim.failure)
        or any(step.trigger.narrow for step in miss.way[1:])
    )
    where = (
        f"; it is lost where {lost.part.group} publishes {_words(lost.end)}"
        if lost and lost.part != last.part
        else ""
    )
    return blame(
        Code.GOAL_MISSED,
        last.part,
        f"ends a way on which the goal {aim} is not reached: {_path(aim, miss)}{where}"
        f"{unless(vague)}",
        "let it publish what leads on, give the service that goes on from there, or accept that "
        "some recoveries end here",
        sure=not (vague or narrow or last.end.vague),
        also=(lost.part,) if lost else (),
    )


def _path(aim: Aim, miss: Miss) -> str:
    words = [str(aim.failure)]
    for step, after in zip(miss.way, miss.way[1:], strict=False):
        words += [step.part.group, after.trigger.type]
    last = miss.way[-1]
    words.append(last.part.group)
    return " → ".join([*words, "waits for ever" if miss.waits else _words(last.end)])


def _words(end: End) -> str:
    unsaid = ["something it does not say"] if end.vague else []
    return ", ".join([*end.types, *unsaid]) or "nothing"


def _unheard(aim: Aim) -> Finding:
    return Finding(
        code=Code.GOAL_MISSED,
        severity=Severity.PROBLEM,
        message=f"declares the goal {aim}, and no handler given reacts to {aim.failure}",
        remedy="write a handler for it, or give the service that has one",
        group=aim.service,
        file=aim.file,
        line=aim.line,
    )

"""The rounds: circles of handlers that nothing bounds.

Within one recovery, each of these ends a circle: a budget, a limit of visits, people who are asked,
and a join, which fires once.
When a handler of the circle starts a child recovery, the next round is in another recovery, where
visits and joins begin anew: then only a budget and people do. (Hops count on, so a limit halts it.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from antiphon.choreography.blame import blame
from antiphon.choreography.choreography import Choreography
from antiphon.choreography.circle import circles, shortest_circle
from antiphon.choreography.emission import How
from antiphon.choreography.finding import Code, Finding
from antiphon.choreography.part import Part
from antiphon_events import StepFailed

_DIED = StepFailed.type
_NOTES = {
    How.FAILURE: " (on failure)",
    How.STARTS: " (as a child recovery)",
    How.TIMEOUT: "",
    How.CHILD: "",
    How.LATER: " (later)",
    How.PUBLISHES: "",
}

Arrows = Mapping[Part, tuple[Part, ...]]


def rounds(choreography: Choreography) -> Iterator[Finding]:
    """The circles, those within a recovery first."""
    loose = [p for p in choreography.parts if not p.bounded and p.needed is None]
    arrows = {part: _after(choreography, part, within=True) for part in loose}
    accepting = [part for part in loose if _accepts(part)]
    live = {part: following for part, following in arrows.items() if part not in accepting}
    for circle in (*circles(live, live), *circles(arrows, accepting)):
        yield _round(circle, within=True)
    for circle in _generations(choreography):
        yield _round(circle, within=False)


def _generations(choreography: Choreography) -> Iterator[tuple[Part, ...]]:
    """Circles whose first handler starts a child recovery in which the next one runs."""
    loose = [part for part in choreography.parts if not part.budgeted]
    arrows = {part: _after(choreography, part, within=None) for part in loose}
    live = {part: following for part, following in arrows.items() if not _accepts(part)}
    for part in loose:
        begun = _after(choreography, part, within=False)
        circle = _through(live, part, begun) or _through(arrows, part, begun)
        if circle:
            yield circle


def _through(arrows: Arrows, part: Part, begun: tuple[Part, ...]) -> tuple[Part, ...]:
    return shortest_circle({**arrows, part: begun}, part) if part in arrows else ()


def _after(choreography: Choreography, part: Part, *, within: bool | None) -> tuple[Part, ...]:
    """The handlers that one leads to: within the recovery, in a child of it, or either."""
    return tuple(other for other in choreography.parts if _links(part, other, within=within))


def _links(part: Part, other: Part, *, within: bool | None) -> list[tuple[str, How, bool]]:
    """The types by which a handler triggers another, how, and whether it surely does.

    Whoever reacts to steps that failed is taken not to fail itself, or all would go in circles.
    """
    brought = [
        (one.fact.type, one.how)
        for one in part.emissions
        if within is None or within is (one.how is not How.STARTS)
    ]
    if within is not False and not part.hears(_DIED):
        brought.append((_DIED, How.FAILURE))
    return [
        (type_, how, not trigger.narrow)
        for type_, how in brought
        for trigger in other.triggers
        if trigger.type == type_
    ]


def _round(circle: tuple[Part, ...], *, within: bool) -> Finding:
    first = circle[0]
    words, sure = [first.group], True
    for number, (part, after) in enumerate(zip(circle, (*circle[1:], first), strict=True)):
        ways = _links(part, after, within=True if within else (None if number else False))
        type_, how, whatever = next((way for way in ways if way[2]), ways[0])
        words += [f"{type_}{_NOTES[how] if type_ != _DIED else ''}", after.group]
        sure = sure and whatever
    unsure = "" if sure else " (if subjects and conditions let it)"
    halts = "that only a limit halts" if within else "of recoveries that start one another"
    return blame(
        Code.CYCLE,
        first,
        f"is in a circle {halts}{unsure}: {' → '.join(words)}",
        "give one of them a budget or max_visits, or let one answer a narrower event"
        if within
        else "give one of them a budget, which counts across recoveries, or let one answer a "
        "narrower event",
        sure=sure,
        also=circle[1:],
    )


def _accepts(part: Part) -> bool:
    return Code.CYCLE in dict(part.accepted)

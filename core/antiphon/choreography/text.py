"""The text of a choreography: its handlers and its events, for a terminal of any width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.consent import consent
from antiphon.choreography.emission import Emission, How
from antiphon.choreography.fact import Fact, Kind
from antiphon.choreography.part import Part
from antiphon.duration import format_duration

_OUTSIDE = {Kind.FAILURE: "outside", Kind.LIFECYCLE: "Antiphon"}
_UNSAID = "something it does not say"
_INDENT = "  "


def text(choreography: Choreography) -> str:
    """Write what every handler reacts to and completes with, and where every event comes from."""
    return "\n".join(_lines(choreography))


def words(part: Part) -> tuple[str, ...]:
    """What bounds a handler, one phrase each, such as ``budget 3/10m``."""
    return tuple(f"{name.replace('_', ' ')} {value}" for name, value in part.guards)


def _lines(choreography: Choreography) -> Iterator[str]:
    joins = sum(part.needed is not None for part in choreography.parts)
    counts = (
        (len(choreography.services), "service"),
        (len(choreography.parts), "handler"),
        (joins, "join"),
        (len(choreography.facts), "event"),
    )
    yield ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts)
    for part in choreography.parts:
        yield f"\n{part.group}"
        yield from _table(_about_part(part))
    for fact in choreography.facts:
        yield f"\n{fact}"
        yield from _table(_about_fact(choreography, fact))
    for aim in choreography.aims:
        yield f"\ngoal of {aim.service}"
        yield from _table([("from", [str(aim.failure)]), ("to", [str(aim.completion)])])


def _about_part(part: Part) -> Iterator[tuple[str, Iterable[str]]]:
    triggers = map(str, part.triggers)
    yield ("waits for", (f"{part.join}:", *triggers)) if part.join else ("reacts to", triggers)
    if part.within is not None:
        late = ", ".join(str(one) for one in part.emits(How.TIMEOUT))
        yield "at most", [f"{format_duration(part.within)}, then {late}"]
    if part.losers == "cancel":
        yield "losers", ["do not begin any more"]
    if part.approval:
        yield "approval", consent(part.approval)
    yield "completes with", _listed(part, How.PUBLISHES, How.LATER) or ["nothing"]
    for name, how in (("starts", How.STARTS), ("on failure", How.FAILURE)):
        if listed := _listed(part, how):
            yield name, listed
    if part.undo:
        yield "undone by", [part.undo]
    yield "guards", [", ".join(words(part))]


def _listed(part: Part, *occasions: How) -> list[str]:
    unsaid = [_UNSAID] if part.unsaid.intersection(occasions) else []
    return [str(one) for one in part.emits(*occasions)] + unsaid


def _about_fact(choreography: Choreography, fact: Fact) -> Iterator[tuple[str, Iterable[str]]]:
    unbidden = [_OUTSIDE[fact.kind]] if fact.kind.unbidden else []
    publishers = [
        _by(part, emission)
        for part in choreography.publishers(fact.type)
        for emission in part.brings(fact.type)
    ]
    yield "comes from", unbidden + publishers or ["no handler given"]
    yield "heard by", [part.group for part in choreography.hearers(fact)] or ["nobody"]


def _by(part: Part, emission: Emission) -> str:
    match emission.how:
        case How.PUBLISHES:
            return part.group
        case How.LATER:
            return f"{part.group}, after {emission.after or 'some time'}"
        case How.STARTS:
            return f"{part.group}, as a child recovery"
        case How.FAILURE | How.TIMEOUT | How.CHILD:
            return f"{part.group}, {emission.how}"
        case _:
            assert_never(emission.how)


def _table(rows: Iterable[tuple[str, Iterable[str]]]) -> Iterator[str]:
    """Lines of a name and its values, one below the other."""
    known = [(name, list(values)) for name, values in rows]
    width = max(len(name) for name, _ in known)
    for name, values in known:
        for number, value in enumerate(values):
            yield f"{_INDENT}{'' if number else name:<{width}}{_INDENT}{value}"

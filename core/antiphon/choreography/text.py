"""The text of a choreography: its handlers and its events, for a terminal of any width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.fact import Fact, Kind
from antiphon.choreography.part import Part

_OUTSIDE = {Kind.FAILURE: "outside", Kind.LIFECYCLE: "Antiphon"}
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


def _about_part(part: Part) -> Iterator[tuple[str, Iterable[str]]]:
    triggers = map(str, part.triggers)
    yield ("waits for", (f"{part.join}:", *triggers)) if part.join else ("reacts to", triggers)
    promised = [str(fact) for fact in part.promised]
    unsaid = ["something it does not say"] if part.vague else []
    yield "completes with", promised + unsaid or ["nothing"]
    yield "guards", [", ".join(words(part))]


def _about_fact(choreography: Choreography, fact: Fact) -> Iterator[tuple[str, Iterable[str]]]:
    publishers = [part.group for part in choreography.publishers(fact.type)]
    unbidden = [_OUTSIDE[fact.kind]] if fact.kind.unbidden else []
    yield "comes from", unbidden + publishers or ["no handler given"]
    yield "heard by", [part.group for part in choreography.hearers(fact)] or ["nobody"]


def _table(rows: Iterable[tuple[str, Iterable[str]]]) -> Iterator[str]:
    """Lines of a name and its values, one below the other."""
    known = [(name, list(values)) for name, values in rows]
    width = max(len(name) for name, _ in known)
    for name, values in known:
        for number, value in enumerate(values):
            yield f"{_INDENT}{'' if number else name:<{width}}{_INDENT}{value}"

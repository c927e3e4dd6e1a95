"""The reach of a choreography: which handlers can ever be triggered, and by what."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.circle import reachable
from antiphon.choreography.part import Part, Trigger


def missing_branches(choreography: Choreography, part: Part) -> tuple[Trigger, ...]:
    """The triggers of a handler that come neither by themselves nor from another handler."""
    return tuple(
        trigger
        for trigger in part.triggers
        if not trigger.kind.unbidden and not _sources(choreography, trigger, part)
    )


def unreached(choreography: Choreography, assumed: Collection[Part] = ()) -> list[Part]:
    """The handlers to which nothing leads that comes by itself.

    Args:
        choreography: the handlers.
        assumed: those that something else triggers.
    """
    left = [part for part in choreography.parts if part not in assumed]
    while True:
        still = [part for part in left if not _can_begin(choreography, part, left)]
        if still == left:
            return left
        left = still


def first_of(choreography: Choreography, left: Collection[Part]) -> Iterator[Part]:
    """Of unreached handlers, those that no other set of them comes before.

    What follows on them is unreached because they are, and needs no words of its own.
    """
    forward = {p: tuple(f for f in choreography.followers(p) if f in left) for p in left}
    backward = {p: tuple(o for o in left if p in forward[o]) for p in left}
    for part in left:
        if reachable(backward, part) - {part} <= reachable(forward, part):
            yield part


def _can_begin(choreography: Choreography, part: Part, left: Collection[Part]) -> bool:
    come = sum(
        trigger.kind.unbidden
        or any(source not in left for source in _sources(choreography, trigger, part))
        for trigger in part.triggers
    )
    return come >= (part.needed or 1)


def _sources(choreography: Choreography, trigger: Trigger, part: Part) -> list[Part]:
    """Who publishes what may trigger a handler, besides itself: it has to begin first."""
    return [source for source in choreography.publishers(trigger.type) if source != part]

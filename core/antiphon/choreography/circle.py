"""The circle: handlers of which each can trigger the next, and the last the first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

N = TypeVar("N")
Arrows = Mapping[N, tuple[N, ...]]
"""What leads to what; an arrow to something that is no key leads nowhere."""


def circles(arrows: Arrows[N], starts: Iterable[N]) -> Iterator[tuple[N, ...]]:
    """Name circles, so that each of `starts` that is on one is on one of those named.

    There may be exponentially many; the shortest through each start is enough to see them all.
    """
    seen: set[N] = set()
    for start in starts:
        if start not in seen and (circle := shortest_circle(arrows, start)):
            seen.update(circle)
            yield circle


def shortest_circle(arrows: Arrows[N], start: N) -> tuple[N, ...]:
    """The fewest nodes from a node back to itself, itself first; none when there is no way.

    A way past others is preferred to an arrow from a node to itself: it says more.
    """
    ways: deque[tuple[N, ...]] = deque([(start,)])
    met = {start}
    while ways:
        way = ways.popleft()
        for following in arrows.get(way[-1], ()):
            if following == start and len(way) > 1:
                return way
            if following in arrows and following not in met:
                met.add(following)
                ways.append((*way, following))
    return (start,) if start in arrows.get(start, ()) else ()


def reachable(arrows: Arrows[N], start: N) -> set[N]:
    """Everything that a node leads to; itself only when it is on a circle."""
    found: set[N] = set()
    ahead = [start]
    while ahead:
        for following in arrows.get(ahead.pop(), ()):
            if following in arrows and following not in found:
                found.add(following)
                ahead.append(following)
    return found

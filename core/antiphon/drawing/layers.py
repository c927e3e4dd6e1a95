"""The layered layout of a graph, from top to bottom, without a library.

Ranks first, then the order within each by barycentres, then the places: each box as near to its
neighbours as the boxes beside it allow.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from antiphon.drawing.graph import Box, Layout, Link, Point
from antiphon.drawing.ranks import ranks, without_rings

_SWEEPS = 12
_BESIDE = 22.0
"""Between boxes side by side, in pixels."""

_PASSING = 10.0
"""The room that a link takes which passes by, in pixels."""

_LANE = 28.0
_PORT = 16.0


@dataclass(slots=True)
class _Spot:
    """A box, or where a link passes a rank."""

    key: str
    width: float
    height: float
    lane: int
    above: list[_Spot]
    below: list[_Spot]
    x: float = 0.0
    order: float = 0.0

    @property
    def passes(self) -> bool:
        return not self.height


def lay_out(boxes: Sequence[Box], links: Sequence[Link], *, widest: int, between: float) -> Layout:
    """Find a place for every box and a way for every link.

    Args:
        boxes: Those that are to come first before others; each has an id of its own.
        links: Between boxes.
        widest: How many boxes may stand side by side.
        between: The room between two ranks, in pixels.
    """
    known = {box.id for box in boxes}
    real = [
        number
        for number, link in enumerate(links)
        if link.start != link.end and {link.start, link.end} <= known
    ]
    ids = [box.id for box in boxes]
    pairs = without_rings(ids, [(links[n].start, links[n].end) for n in real])
    rank = ranks(ids, pairs, widest)
    spots = {b.id: _Spot(b.id, b.width, b.height, b.lane, [], []) for b in boxes}
    rows: list[list[_Spot]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for box in boxes:
        rows[rank[box.id]].append(spots[box.id])
    chains = {n: _chain(spots, rank, pair, rows) for n, pair in zip(real, pairs, strict=True)}
    _arrange(rows)
    lanes = _lanes(rows)
    _place(rows, lanes)
    tops, height = _tops(rows, between)
    routes = []
    for number, link in enumerate(links):
        chain = chains.get(number, [])
        points = _route(chain, rank, tops) if chain else ()
        routes.append(points if not chain or chain[0].key == link.start else points[::-1])
    return Layout(
        places={b.id: (spots[b.id].x, _top(spots[b.id], tops[rank[b.id]])) for b in boxes},
        routes=tuple(routes),
        lanes=tuple(lanes),
        width=lanes[-1][1] if lanes else 0.0,
        height=height,
    )


def _chain(
    spots: Mapping[str, _Spot],
    rank: Mapping[str, int],
    pair: tuple[str, str],
    rows: list[list[_Spot]],
) -> list[_Spot]:
    """Lead a link from rank to rank."""
    start, end = (spots[id_] for id_ in pair)
    first, last = rank[pair[0]], rank[pair[1]]
    chain = [start]
    for row in range(first + 1, last):
        lane = start.lane if row - first < (last - first) / 2 else end.lane
        spot = _Spot("", _PASSING, 0.0, lane, [], [])
        rows[row].append(spot)
        chain.append(spot)
    chain.append(end)
    for upper, lower in itertools.pairwise(chain):
        upper.below.append(lower)
        lower.above.append(upper)
    return chain


def _arrange(rows: list[list[_Spot]]) -> None:
    """Order each row so that few links cross."""
    for row in rows:
        row.sort(key=lambda spot: spot.lane)
    _number(rows)
    best, fewest = [list(row) for row in rows], _crossings(rows)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            centre = {id(s): _centre(s.above if down else s.below, s.order) for s in row}
            row.sort(key=lambda spot: (spot.lane, centre[id(spot)]))
            _number([row])
        if (crossings := _crossings(rows)) < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best
    _number(rows)


def _number(rows: Sequence[Sequence[_Spot]]) -> None:
    for row in rows:
        for number, spot in enumerate(row):
            spot.order = number


def _centre(neighbours: Sequence[_Spot], otherwise: float) -> float:
    if not neighbours:
        return otherwise
    return sum(spot.order for spot in neighbours) / len(neighbours)


def _crossings(rows: Sequence[Sequence[_Spot]]) -> int:
    count = 0
    for row in rows:
        ends: list[float] = []
        for spot in row:
            orders = [lower.order for lower in spot.below]
            count += sum(len(ends) - bisect_right(ends, order) for order in orders)
            for order in orders:
                insort(ends, order)
    return count


def _lanes(rows: Sequence[Sequence[_Spot]]) -> list[tuple[float, float]]:
    """Say from where to where each lane goes: as wide as the widest of its rows."""
    count = max((spot.lane for row in rows for spot in row), default=-1) + 1
    widths = [0.0] * count
    for row in rows:
        taken = [0.0] * count
        for spot in row:
            taken[spot.lane] += spot.width + (_BESIDE if taken[spot.lane] else 0.0)
        widths = [max(one, other) for one, other in zip(widths, taken, strict=True)]
    lanes, x = list[tuple[float, float]](), 0.0
    for width in widths:
        lanes.append((x, x + width + _LANE))
        x += width + _LANE
    return lanes


def _place(rows: Sequence[Sequence[_Spot]], lanes: Sequence[tuple[float, float]]) -> None:
    for row in rows:
        for spot in row:
            spot.x = sum(lanes[spot.lane]) / 2
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            for lane, (left, right) in enumerate(lanes):
                spots = [spot for spot in row if spot.lane == lane]
                wanted = [_wanted(spot, down=down) for spot in spots]
                _settle(spots, wanted, left + _LANE / 2, right - _LANE / 2)


def _wanted(spot: _Spot, *, down: bool) -> float:
    near = (spot.above if down else spot.below) or spot.above or spot.below
    return sum(other.x for other in near) / len(near) if near else spot.x


def _settle(spots: Sequence[_Spot], wanted: Sequence[float], left: float, right: float) -> None:
    """Move boxes of one row as near to where they would be as their widths allow.

    It is a least-squares fit of a rising line of steps: adjacent violators are pooled.
    """
    offsets, used = list[float](), 0.0
    for spot in spots:
        offsets.append(used + spot.width / 2)
        used += spot.width + _BESIDE
    highest = max(right - (used - _BESIDE), left)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, others = pools.pop()
            total, count = total + more, count + others
        pools.append((total, count))
    values = [total / count for total, count in pools for _ in range(count)]
    for spot, offset, value in zip(spots, offsets, values, strict=True):
        spot.x = min(max(value, left), highest) + offset


def _tops(
    rows: Sequence[Sequence[_Spot]], between: float
) -> tuple[list[tuple[float, float]], float]:
    """Say from where to where each row goes, from the top down, and how high all of it is."""
    tops, y = list[tuple[float, float]](), 0.0
    for row in rows:
        height = max((spot.height for spot in row), default=0.0)
        tops.append((y, y + height))
        y += height + between
    return tops, max(y - between, 0.0)


def _top(spot: _Spot, row: tuple[float, float]) -> float:
    return (row[0] + row[1] - spot.height) / 2


def _route(
    chain: Sequence[_Spot], rank: Mapping[str, int], tops: Sequence[tuple[float, float]]
) -> tuple[Point, ...]:
    """Give the points between which a link bends; where it passes a row it goes straight."""
    first = rank[chain[0].key]
    top = tops[first]
    points = [(_port(chain[0], chain[1], lower=True), _top(chain[0], top) + chain[0].height)]
    for row, spot in enumerate(chain[1:-1], first + 1):
        points += [(spot.x, tops[row][0]), (spot.x, tops[row][1])]
    last = chain[-1]
    points.append((_port(last, chain[-2], lower=False), _top(last, tops[rank[last.key]])))
    return tuple(points)


def _port(spot: _Spot, other: _Spot, *, lower: bool) -> float:
    """Say where a link leaves or enters a box: beside the others, in their order."""
    ends = sorted(spot.below if lower else spot.above, key=lambda one: one.x)
    number = next(n for n, one in enumerate(ends) if one is other)
    apart = min(_PORT, spot.width * 0.7 / len(ends))
    return spot.x + (number - (len(ends) - 1) / 2) * apart

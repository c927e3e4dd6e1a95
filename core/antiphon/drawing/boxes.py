"""The boxes and lines of a graph, drawn: words in a shape, and links that bend between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from antiphon.drawing.graph import Box, Layout, Link, Point
from antiphon.drawing.svg import CELL, SMALL_CELL, cells, element, fit, text, title
from antiphon.trace.words import plain

_PADDING = 10.0
_LINE = 15.0
_MOST_CELLS = 40
"""Of a line in a box; the rest is in its tooltip."""

_TIP = 7.0
_HEX = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What stands in a box."""

    id: str
    lines: tuple[str, ...]
    """The first is its name."""

    look: str = ""
    shape: str = "box"
    """`box`, `round` for what happens by itself, `hexagon`, `slant` or `note`."""

    title: str = ""
    """Shown when the pointer rests on it; its lines unless given."""

    href: str | None = None
    lane: int = 0

    def box(self) -> Box:
        """Say how much room it takes."""
        widths = [cells(fit(line, _MOST_CELLS)) for line in self.lines]
        first, *more = (width * cell for width, cell in zip(widths, self._cells(), strict=True))
        extra = 2 * _HEX if self.shape in {"hexagon", "slant"} else 0.0
        return Box(
            id=self.id,
            width=max(first, *more, 40.0) + 2 * _PADDING + extra,
            height=_LINE * len(self.lines) + 10.0,
            lane=self.lane,
        )

    def _cells(self) -> Iterator[float]:
        yield CELL
        yield from (SMALL_CELL for _ in self.lines[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """What stands on a link."""

    start: str
    end: str
    look: str = ""
    label: str = ""

    @property
    def link(self) -> Link:
        """What it links."""
        return Link(self.start, self.end)


@dataclass(slots=True)
class Painter:
    """Draws cards and arrows where a layout has put them, moved by an offset."""

    layout: Layout
    left: float
    top: float
    _labels: list[tuple[float, float, float]] = field(default_factory=list)

    def cards(self, cards: Iterable[Card]) -> Iterator[str]:
        """Draw boxes with their words."""
        for card in cards:
            x, y = self.layout.places[card.id]
            drawn = self._card(card, x + self.left, y + self.top)
            named = plain(card.id)
            if card.href:
                yield element("a", *drawn, href=card.href, data_id=named)
            else:
                yield element("g", *drawn, data_id=named)

    def arrows(self, arrows: Sequence[Arrow]) -> Iterator[str]:
        """Draw lines with their tips, and the words on them above all lines."""
        words = []
        for arrow, route in zip(arrows, self.layout.routes, strict=True):
            if not route:
                continue
            points = [(x + self.left, y + self.top) for x, y in route]
            look = f"line {arrow.look}".rstrip()
            yield element("path", class_=look, d=_curve(points))
            yield element("path", class_=f"tip {arrow.look}".rstrip(), d=_tip(points))
            if arrow.label:
                words.append(self._label(arrow.label, points))
        yield from words

    def _card(self, card: Card, x: float, y: float) -> Iterator[str]:
        box = card.box()
        left, width, height = x - box.width / 2, box.width, box.height
        yield title(card.title or "\n".join(card.lines))
        yield _shape(card, left, y, width, height)
        for number, line in enumerate(card.lines):
            look = "small dim" if number else "strong"
            yield text(fit(line, _MOST_CELLS), x, y + 17 + number * _LINE, look, "middle")

    def _label(self, label: str, points: Sequence[Point]) -> str:
        """Put words on the first bend of a line, where no others are yet."""
        (x0, y0), (x1, y1) = points[0], points[1]
        half = cells(label) * SMALL_CELL / 2
        places = []
        for share in (0.5, 0.35, 0.65, 0.2, 0.8):
            # On the curve that `_curve` draws, with both handles at half the height.
            x = x0 + (x1 - x0) * share * share * (3 - 2 * share)
            y = y0 + (y1 - y0) * (1.5 * share * (1 - share) + share**3) + 4
            places.append((x, y))
        x, y = min(places, key=lambda place: self._collisions(place, half))
        self._labels.append((x, y, half))
        return text(label, x, y, "small halo", "middle")

    def _collisions(self, place: Point, half: float) -> int:
        x, y = place
        return sum(
            abs(x - other) < half + width + 4 and abs(y - at) < _LINE - 2
            for other, at, width in self._labels
        )


def _curve(points: Sequence[Point]) -> str:
    (x, y), *_ = points
    drawn = [f"M{x:.1f} {y:.1f}"]
    for number, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
        if number % 2:
            drawn.append(f"L{x1:.1f} {y1:.1f}")
        else:
            middle = (y0 + y1) / 2
            drawn.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
    return "".join(drawn)


def _tip(points: Sequence[Point]) -> str:
    (_, before), (x, y) = points[-2:]
    back = -_TIP if y > before else _TIP
    return f"M{x:.1f} {y:.1f}l-4 {back}h8z"


def _shape(card: Card, left: float, top: float, width: float, height: float) -> str:
    look, right, bottom = f"box {card.look}".rstrip(), left + width, top + height
    match card.shape:
        case "hexagon":
            middle = top + height / 2
            corners = [
                (left, middle),
                (left + _HEX, top),
                (right - _HEX, top),
                (right, middle),
                (right - _HEX, bottom),
                (left + _HEX, bottom),
            ]
        case "slant":
            corners = [(left + _HEX, top), (right, top), (right - _HEX, bottom), (left, bottom)]
        case "note":
            corners = [
                (left, top),
                (right - 8, top),
                (right, top + 8),
                (right, bottom),
                (left, bottom),
            ]
        case shape:
            radius = height / 2 if shape == "round" else 3
            return element(
                "rect", class_=look, x=left, y=top, width=width, height=height, rx=min(radius, 16)
            )
    drawn = "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
    return element("path", class_=look, d=f"M{drawn}Z")

"""The marks of a waterfall: bars, guides of the tree, and the scale of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from antiphon.drawing.bars import Bar
from antiphon.drawing.graph import Point
from antiphon.drawing.svg import CELL, SMALL_CELL, cells, element, path, text, title
from antiphon.drawing.timeline import Stretch, Timeline
from antiphon.trace.tree import Branch
from antiphon.trace.words import spell

ROW = 24.0
"""The height of a row, in pixels."""

_HEIGHT = 12.0
_NARROWEST = 3.0
_ARROW = 5.0


def draw_bar(bar: Bar, line: Timeline, y: float, *, critical: bool) -> str:
    """Draw a bar in the row whose upper edge is at `y`."""
    left, right, middle = line.x(bar.since), line.x(bar.until), y + ROW / 2
    look, about = bar.look, title(bar.title)
    if look == "settled":
        return element("circle", about, class_=look, cx=left, cy=middle, r=4)
    if look in {"waiting", "held", "needless"}:
        end = max(right, left + 1)
        return element("line", about, class_=look, x1=left, x2=end, y1=middle, y2=middle)
    left = min(left, line.right - _NARROWEST)
    right = max(right, left + _NARROWEST)
    shape = path(_outline(left, right, middle, _HEIGHT / 2, going_on=bar.open)) + "Z"
    drawn = element("path", class_=look, d=shape)
    if critical:
        around = path(_outline(left - 2, right + 2, middle, _HEIGHT / 2 + 2, going_on=bar.open))
        drawn += element("path", class_="outline", d=f"{around}Z")
    return element("g", about, drawn, class_="bar")


def _outline(
    left: float, right: float, middle: float, half: float, *, going_on: bool
) -> Sequence[Point]:
    """Give the corners of a bar; the end of what goes on is a point to the right."""
    top, bottom = middle - half, middle + half
    if not going_on:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    tip = max(right - _ARROW, left)
    return [(left, top), (tip, top), (right, middle), (tip, bottom), (left, bottom)]


def guides(branch: Branch, left: float, y: float, height: float) -> Iterator[str]:
    """Draw the lines of the tree that lead to a row, and on to those below it."""
    middle = y + ROW / 2
    for place, piece in _pieces(branch.guide):
        x = left + (place + 0.5) * CELL
        match piece:
            case "├─":
                yield _guide([(x, y), (x, y + height)])
                yield _guide([(x, middle), (x + CELL * 1.2, middle)])
            case "└─":
                yield _guide([(x, y), (x, middle), (x + CELL * 1.2, middle)])
            case "│ ":
                yield _guide([(x, y), (x, y + height)])
            case "→ " | "← ":
                yield text(piece.strip(), left + place * CELL, y + 16, "dim")


def scale(line: Timeline, y: float, bottom: float) -> Iterator[str]:
    """Draw the scale of time above the rows, its lines through them, and the breaks in it."""
    upper, lower = _Line(y + 6), _Line(y + 18)
    for cut in line.cuts:
        yield from _break(cut, y + 22, bottom)
        said, middle = f"‖ {spell(cut.until - cut.since)}", (cut.left + cut.right) / 2
        # Where breaks are close together, one says how long it is above the other, or on demand.
        yield from lower.say(said, middle, "small dim") or upper.say(said, middle, "small dim")
    for tick in line.ticks():
        yield element("line", class_="rule", x1=tick.x, x2=tick.x, y1=y + 22, y2=bottom)
        yield from upper.say(tick.label, tick.x, "small")
        yield from lower.say(f"{tick.moment:%H:%M:%S}", tick.x, "small dim")


def closed(
    stretches: Iterable[tuple[datetime, datetime]], line: Timeline, top: float, bottom: float
) -> Iterator[str]:
    """Shade the times between the periods of a recovery, in which nobody waited."""
    for since, until in stretches:
        left, right = line.x(since), line.x(until)
        about = title(f"closed for {spell(until - since)}: nothing was owed, and nobody waited")
        width = max(right - left, 1)
        yield element(
            "rect", about, class_="closed", x=left, y=top, width=width, height=bottom - top
        )


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of words of which none stands on another."""

    y: float
    taken: list[tuple[float, float]] = field(default_factory=list)

    def say(self, words: str, middle: float, look: str) -> list[str]:
        """Write words if there is room for them."""
        half = cells(words) * SMALL_CELL / 2 + 3
        if any(middle - half < right and left < middle + half for left, right in self.taken):
            return []
        self.taken.append((middle - half, middle + half))
        return [text(words, middle, self.y, look, "middle")]


def _break(cut: Stretch, top: float, bottom: float) -> Iterator[str]:
    middle = (cut.left + cut.right) / 2
    about = title(f"{spell(cut.until - cut.since)} in which nothing happened, cut short")
    width = cut.right - cut.left
    yield element(
        "rect", about, class_="broken", x=cut.left, y=top, width=width, height=bottom - top
    )
    for x in (middle - 3, middle + 3):
        yield element("path", class_="break", d=path(list(_zigzag(x, top, bottom))))


def _zigzag(x: float, top: float, bottom: float) -> Iterator[tuple[float, float]]:
    y, side = top, 0
    while y < bottom:
        yield x + (2 if side else -2), y
        y, side = y + 6, 1 - side
    yield x, bottom


def _pieces(guide: str) -> Iterator[tuple[int, str]]:
    for place in range(0, len(guide), 2):
        yield place, guide[place : place + 2]


def _guide(points: list[tuple[float, float]]) -> str:
    return element("path", class_="guide", d=path(points))

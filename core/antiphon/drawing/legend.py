"""The legend of a waterfall: what each mark stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from antiphon.drawing.svg import SMALL_CELL, cells, element, text

_MARKS = (
    ("event", "event"),
    ("working", "working"),
    ("running", "going on"),
    ("vain", "in vain"),
    ("dead", "died"),
    ("undone", "undoing"),
    ("waiting", "waiting"),
    ("held", "held"),
    ("needless", "waited needlessly"),
    ("child", "another recovery"),
    ("settled", "settled without running"),
    ("star", "critical path"),
)
_SIGNS = {"star": "★", "break": "‖"}
_SHAPES = {"event": "m8 -6l6 6l-6 6l-6 -6z", "running": "m0 -5h12l6 5l-6 5h-12z"}


def legend(
    left: float, y: float, right: float, others: Iterable[tuple[str, str]] = ()
) -> Iterator[str]:
    """Draw the marks with their words, one line after the other, each a group of its own.

    Args:
        left: Where a line begins.
        y: The base of the first line.
        right: Where a line ends.
        others: Marks that not every drawing has, and their words.
    """
    marks = [*_MARKS, *others]
    x, line = left, list[str]()
    for look, words in marks:
        width = 24 + cells(words) * SMALL_CELL + 16
        if x + width > right and line:
            yield element("g", *line)
            x, y, line = left, y + 18, []
        line += [_mark(look, x, y), text(words, x + 24, y, "small dim")]
        x += width
    yield element("g", *line)


def _mark(look: str, x: float, y: float) -> str:
    middle = y - 4
    match look:
        case "waiting" | "held" | "needless":
            return element("line", class_=look, x1=x, x2=x + 18, y1=middle, y2=middle)
        case "settled":
            return element("circle", class_=look, cx=x + 9, cy=middle, r=4)
        case "star" | "break":
            return text(_SIGNS[look], x + 5, y)
        case _:
            shape = _SHAPES.get(look, "m0 -5h18v10h-18z")
            return element("path", class_=look, d=f"M{x:.1f} {middle:.1f}{shape}")

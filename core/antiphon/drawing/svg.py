"""SVG as text: elements with escaped attributes, and text that is fitted to the room it has.

Text is set in a monospaced face, so its width is known without asking a font.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from antiphon.drawing.style import STYLE
from antiphon.trace.words import plain

CELL = 7.3
"""The width of a character of the usual size, in pixels, rounded up."""

SMALL_CELL = 6.4
"""The same, of small text."""

_LARGE = 1e5
"""From here on, tenths of a pixel would be written in powers of ten."""

_ELLIPSIS = "…"
_NAMESPACE = "http://www.w3.org/2000/svg"


def element(tag: str, *inside: str, **attributes: float | str | None) -> str:
    """Write an element.

    Args:
        tag: Its name.
        inside: What stands in it, as SVG.
        attributes: A name may end with an underscore (`class_`); another within it is a hyphen.
            Numbers are in pixels; None leaves the attribute out.
    """
    given = "".join(
        f" {name.rstrip('_').replace('_', '-')}={quoteattr(_value(value))}"
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{given}>{''.join(inside)}</{tag}>" if inside else f"<{tag}{given}/>"


def title(*lines: str) -> str:
    """Write what is shown when the pointer rests on an element: the first child of it."""
    return f"<title>{escape(chr(10).join(map(plain, lines)))}</title>"


def text(words: str, x: float, y: float, look: str = "", anchor: str | None = None) -> str:
    """Write one line of text; `look` is its classes, `anchor` where `x` is: `middle` or `end`."""
    return element("text", escape(plain(words)), x=x, y=y, class_=look or None, text_anchor=anchor)


def cells(words: str) -> int:
    """Count how many characters wide a text is; an ideograph counts for two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in words
    )


def fit(words: str, most: int) -> str:
    """Cut a text to so many characters' width."""
    if cells(words) <= most:
        return words
    kept, used = [], 1
    for character in words:
        used += cells(character)
        if used > most:
            break
        kept.append(character)
    return "".join(kept).rstrip() + _ELLIPSIS


def counted(number: int, noun: str) -> str:
    """Write how many there are, as in `1 step` and `2 recoveries`."""
    if number != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun}"


def paragraph(words: str, x: float, y: float, width: float) -> list[str]:
    """Write small text in as many lines as it needs, the first at `y`, the others below."""
    lines = textwrap.wrap(plain(words), max(int(width / SMALL_CELL), 1))
    return [text(line, x, y + 14 * number, "dim small") for number, line in enumerate(lines)]


def drawing(
    name: str,
    description: str,
    size: tuple[float, float],
    inside: Iterable[str],
    *,
    look: str,
    styled: bool,
    linked: bool = False,
) -> str:
    """Write a whole drawing.

    Args:
        name: Its title.
        description: What it shows, in words.
        size: Width and height, in pixels.
        inside: What is in it.
        look: Its class beside `antiphon-drawing`.
        styled: Whether to put the stylesheet in; a page may have it in its head instead.
        linked: Whether there are links in it, which a picture (`role="img"`) would hide from
            those who listen to it.
    """
    width, height = size
    return element(
        "svg",
        title(name),
        f"<desc>{escape(plain(description))}</desc>",
        *([f"<style>{escape(STYLE)}</style>"] if styled else []),
        element("rect", class_="paper", width=width, height=height),
        *inside,
        xmlns=_NAMESPACE,
        class_=f"antiphon-drawing {look}",
        role="group" if linked else "img",
        aria_label=plain(name),
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        width=width,
        height=height,
    )


def path(points: Sequence[tuple[float, float]]) -> str:
    """Write straight lines from point to point, as the `d` of a path."""
    return "M" + "L".join(f"{_value(x)} {_value(y)}" for x, y in points)


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{round(value, 1):g}" if abs(value) < _LARGE else f"{value:.0f}"

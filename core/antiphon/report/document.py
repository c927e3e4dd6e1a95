"""A report as plain data: sections of paragraphs, lists, tables and figures.

What a report says is decided once, here; `antiphon.report.markdown` and `antiphon.report.page`
only write it down, and each escapes for its own format. So no text may be escaped before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """Words to be shown, and copied, exactly as they are: commands, names, ids."""

    text: str


Words = str | Code
"""A run of text."""

Line = Words | tuple[Words, ...]
"""One run or several; no blanks are put between them."""


def runs(line: Line) -> tuple[Words, ...]:
    """Return a line as a sequence of runs."""
    return line if isinstance(line, tuple) else (line,)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    line: Line


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list in which no item follows from another."""

    items: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table."""

    cells: Sequence[Line]
    by_hand: bool = False
    """Whether it tells of what a person did; then it is marked, in a word and not by colour."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings."""

    columns: Sequence[str]
    rows: Sequence[Row]
    numbers: frozenset[int] = frozenset()
    """Which columns hold numbers, and so stand to the right."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing, and the same in text."""

    title: str
    svg: str
    """A drawing of `antiphon.drawing`, which has escaped what it shows; empty for none."""

    text: str
    """What is shown where drawings cannot be; empty when another figure's text says the same."""


Block = Paragraph | Bullets | Table | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]
    level: int = 2
    """How deep the heading is; 1 is the report's own."""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    sections: Sequence[Section]
    note: str
    """Where it comes from, for its foot."""

"""Words and rows that reports share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from antiphon.report.document import Block, Paragraph, Row, Table

MOST_ROWS = 100
"""The most of any list that anybody reads."""


def table(
    columns: Sequence[str], rows: Sequence[Row], numbers: frozenset[int] = frozenset()
) -> Iterator[Block]:
    """Show rows under headings, and say how many more there are."""
    yield Table(columns, rows[:MOST_ROWS], numbers)
    if len(rows) > MOST_ROWS:
        yield Paragraph(f"And {len(rows) - MOST_ROWS} more.")


def tally(names: Iterable[str]) -> str:
    """Count names, as in `2x approve, 1x deny`."""
    return ", ".join(f"{count}x {name}" for name, count in Counter(names).most_common())


def count(number: int, noun: str) -> str:
    """Write a number of things, as in `1 step` and `2 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def minute(moment: datetime) -> str:
    """Write an instant to the minute."""
    return f"{moment:%Y-%m-%d %H:%M}"


def second(moment: datetime) -> str:
    """Write an instant to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"

"""A report as Markdown, in what CommonMark and GitHub's tables have in common.

Text of a recovery comes from whoever published its events.
It must not become a heading, a link, a mention of somebody, or HTML; so it is escaped, always.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from antiphon.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Figure,
    Line,
    Paragraph,
    Row,
    Table,
    Words,
    runs,
)
from antiphon.trace.words import plain

_SPECIAL = re.compile(r"[\\`*_\[\]<|~&$]")
_AT_THE_START = re.compile(r"^(\d+)([.)])(?=\s|$)|^([-+=#](?=[\s=-]|$)|>)")
_LINK = re.compile(r"(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)
_MENTION = re.compile(r"([@#!])(?=\w)")
_JOINER = "\u2060"
"""Of no width. No backslash keeps a forge from taking `@all` for a mention, or `#1` for a link."""

_BY_HAND = "**by hand:** "


def markdown(document: Document) -> str:
    """Write a report as Markdown."""
    return "\n".join(_lines(document)) + "\n"


def escaped(text: str) -> str:
    """Escape text from outside for a paragraph, a list or a table: one line, no markup."""
    found = _SPECIAL.sub(r"\\\g<0>", plain(text))
    found = _LINK.sub(r"\\\g<0>", found)
    found = _MENTION.sub(rf"\1{_JOINER}", found)
    return _AT_THE_START.sub(lambda it: f"{it[1] or ''}\\{it[2] or it[3]}", found)


def code(text: str, *, in_table: bool = False) -> str:
    """Write text as a code span, whatever backticks it holds."""
    found = plain(text)
    if in_table:
        # A table is split at its bars before anything else is read, also within code.
        found = found.replace("\\|", "\\\u2060|").replace("|", "\\|")
    if not found:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", found)), default=0) + 1)
    padding = " " if found[0] == "`" or found[-1] == "`" else ""
    return f"{fence}{padding}{found}{padding}{fence}"


def fenced(text: str) -> str:
    """Write several lines as a block of code."""
    lines = ["".join(c if c.isprintable() else "\ufffd" for c in it) for it in text.splitlines()]
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *(line.rstrip() for line in lines), fence])


def _lines(document: Document) -> Iterator[str]:
    yield f"# {escaped(document.title)}"
    for section in document.sections:
        yield ""
        yield f"{'#' * section.level} {escaped(section.title)}"
        for block in section.blocks:
            if isinstance(block, Figure) and not block.text:
                continue
            yield ""
            yield from _block(block)
    yield ""
    yield "---"
    yield ""
    yield escaped(document.note)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            yield _line(block.line)
        case Bullets():
            yield from (f"- {_line(item)}" for item in block.items)
        case Figure():
            yield f"{escaped(block.title)}:"
            yield ""
            yield fenced(block.text)
        case Table():
            yield _cells([escaped(name) for name in block.columns])
            yield _cells(
                ["--:" if i in block.numbers else "---" for i in range(len(block.columns))]
            )
            yield from (_row(row) for row in block.rows)


def _row(row: Row) -> str:
    cells = [_line(cell, in_table=True) for cell in row.cells]
    if row.by_hand:
        cells[1] = _BY_HAND + cells[1]
    return _cells(cells)


def _cells(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _line(line: Line, *, in_table: bool = False) -> str:
    return "".join(_words(it, in_table=in_table) for it in runs(line))


def _words(it: Words, *, in_table: bool) -> str:
    if isinstance(it, Code):
        return code(it.text, in_table=in_table)
    # `plain` joins what blanks part; those at the ends part this run from its neighbours.
    before, after = it[:1] == " ", it[-1:] == " " and it.strip()
    return f"{' ' if before else ''}{escaped(it)}{' ' if after else ''}"

"""The documentation as tests read it: pages, tables, code blocks, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_CELL_END = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: str
    info: tuple[str, ...]
    """The words after the fence: the language first."""

    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def blocks(name: str, *info: str) -> list[Block]:
    """The fenced blocks of a page whose info begins with these words."""
    text = page(name)
    found = (
        Block(name, tuple(m[1].split()), m[2], text.count("\n", 0, m.start()) + 1)
        for m in _FENCE.finditer(text)
    )
    return [block for block in found if block.info[: len(info)] == info]


def all_blocks(*info: str) -> list[Block]:
    return [block for path in pages() for block in blocks(str(path.relative_to(DOCS)), *info)]


def section(name: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    text = page(name)
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    assert found, f"{name} has no heading {heading!r}"
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def tables(text: str) -> Iterator[list[list[str]]]:
    """The tables of a text: rows of cells, without head and rule."""
    rows: list[list[str]] = []
    for line in [*prose(text).splitlines(), ""]:
        if line.startswith("|"):
            cells = _CELL_END.split(line.strip()[1:-1])
            rows.append([cell.strip().replace("\\|", "|") for cell in cells])
        elif rows:
            yield rows[2:]
            rows = []


def rows(text: str) -> list[list[str]]:
    """The rows of all tables of a text."""
    return [row for table in tables(text) for row in table]


def code(cell: str) -> list[str]:
    """What stands between backticks."""
    return _CODE.findall(cell)


def links(text: str) -> list[str]:
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The names that links can use for the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

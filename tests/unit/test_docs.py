"""The documentation hangs together, and its examples run."""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import documents
from antiphon_events import registry, upcasters
from documents import DOCS, Block, all_blocks, anchors, blocks, links, page, prose

RUNNABLE = [b for b in all_blocks("python", "run") if "server" not in b.info]
ADRS = sorted((DOCS / "adr").glob("*.md"))
PAGES = [str(path.relative_to(DOCS)) for path in documents.pages()]


@pytest.fixture
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let examples define events that no other test hears of."""
    monkeypatch.setattr(registry, "_classes", copy.deepcopy(registry._classes))
    monkeypatch.setattr(registry, "_current", dict(registry._current))
    monkeypatch.setattr(upcasters, "_steps", dict(upcasters._steps))


@pytest.mark.usefixtures("_own_registry")
@pytest.mark.parametrize("block", RUNNABLE, ids=str)
def test_an_example_runs(block: Block, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is shown as Python that runs can be pasted into a file and run."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("example")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block.text, str(block), "exec", dont_inherit=True), module.__dict__)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    """A link names a page that is there, and a heading that is on it."""
    here = (DOCS / name).parent
    for link in links(page(name)):
        if link.startswith("https://"):
            continue
        target, _, heading = link.partition("#")
        path = (here / target).resolve() if target else DOCS / name
        assert path.exists(), f"{name} links to {link}"
        if heading:
            assert heading in anchors(path.read_text(encoding="utf-8")), f"{name} links to {link}"


@pytest.mark.parametrize("name", sorted(set(PAGES) - {"index.md"}))
def test_every_page_can_be_found(name: str) -> None:
    """The map lists every page."""
    assert name in links(page("index.md"))


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_a_decision_says_why_what_and_what_follows(path: Path) -> None:
    """An ADR has its number, its three parts in order, and fits a page."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem[:4]}: ")
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 60


def test_decisions_are_numbered_without_a_gap() -> None:
    """The next decision takes the next number."""
    numbers = [path.name[:4] for path in ADRS]
    assert numbers == [f"{number:04}" for number in range(1, len(ADRS) + 1)]


def test_the_glossary_is_in_order() -> None:
    """Words are looked up by the alphabet, and each is there once."""
    words = re.findall(r"^\*\*(.+?)\*\*:", page("glossary.md"), re.MULTILINE)
    assert words == sorted(set(words), key=str.lower)


@pytest.mark.parametrize("name", PAGES)
def test_tables_are_whole(name: str) -> None:
    """Every row of a table has as many cells as the others."""
    for table in documents.tables(page(name)):
        assert len({len(row) for row in table}) == 1, f"{name}: {table}"


def test_the_tutorial_shows_one_file_and_its_change() -> None:
    """The file is complete, and the change replaces things that are in it."""
    (file,) = blocks("tutorial/first-recovery.md", "python", "run")
    imported, handler = (
        b.text for b in blocks("tutorial/first-recovery.md", "python") if "run" not in b.info
    )
    assert imported.startswith("from antiphon import ")
    decorator, function, *_ = handler.splitlines()
    assert decorator in file.text
    assert function.partition("(")[0] in file.text


@pytest.mark.parametrize("name", PAGES)
def test_a_line_is_a_sentence(name: str) -> None:
    """A change of one sentence is a change of one line."""
    for line in prose(page(name)).splitlines():
        if not line.startswith(("|", "#")):
            assert not re.search(r"(?<!\d)[.?!]\)?\*{0,2} [A-Z`(\[*]", line), line


def test_prose_speaks_of_the_project_alone() -> None:
    """No path of anybody's machine is left in a page."""
    for name in PAGES:
        assert not re.search(r"/tmp/|/root/|site-packages", prose(page(name))), name

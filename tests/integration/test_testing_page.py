"""The test kit's page and reference: every name is there, and the tests shown there pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from antiphon import testing
from documents import blocks, code, rows, section, tables

pytestmark = pytest.mark.usefixtures("shared_server")

PYTEST = ("-m", "pytest", "-q", "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto")
PAGE = "how-to/test-your-handlers.md"


def test_every_public_name_of_the_kit_is_listed() -> None:
    """The reference has a row for what `antiphon.testing` exports, each once."""
    kit = section("reference/python-api.md", "## `antiphon.testing`: the test kit")
    listed = [name for row in rows(kit) for name in code(row[0])]
    assert sorted(listed) == sorted(testing.__all__)


def test_every_expectation_is_shown() -> None:
    """The page's table has a row for each sentence of `Expectation`."""
    (table,) = tables(section(PAGE, "## Run a recovery from end to end"))
    shown = [name for row in table for name in re.findall(r"`\.(\w+)\(", row[0])]
    assert sorted(shown) == sorted(n for n in vars(testing.Expectation) if not n.startswith("_"))


def test_the_page_shows_tests_that_pass(tmp_path: Path) -> None:
    """Whoever copies what the page shows has tests that run, and catch what they should."""
    fixture, *tests = (block.text for block in blocks(PAGE, "python", "run"))
    (tmp_path / "conftest.py").write_text(fixture)
    for number, test in enumerate(tests):
        (tmp_path / f"test_shop_{number}.py").write_text(test)
    ended = subprocess.run(
        [sys.executable, *PYTEST],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr

"""The public names: each is there when it is used, and costs nothing before."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import antiphon

_LOADED = """
import sys
{code}
loaded = [name for name in sys.modules if name.partition(".")[0] in {heavy}]
sys.exit(", ".join(sorted(loaded)))
"""
_RUN = """
from antiphon.cli.main import main
sys.argv = {arguments}
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
"""


def loads(code: str, *heavy: str) -> str:
    """Run code in an interpreter of its own, and name what it loaded of these packages."""
    ended = subprocess.run(
        [sys.executable, "-c", _LOADED.format(code=code, heavy=heavy)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stderr.strip()


def run(*arguments: str) -> str:
    return _RUN.format(arguments=["antiphon", *arguments])


def test_every_public_name_is_there() -> None:
    """What `__all__` promises can be imported, and is listed."""
    for name in antiphon.__all__:
        assert getattr(antiphon, name).__name__ == name
    assert set(antiphon.__all__) <= set(dir(antiphon))


def test_what_type_checkers_see_is_what_there_is() -> None:
    """The names they are shown come from the very modules the names are loaded from."""
    tree = ast.parse(Path(antiphon.__file__).read_text())
    shown = {
        alias.name: statement.module
        for node in tree.body
        if isinstance(node, ast.If)
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    loaded = {name: getattr(antiphon, name).__module__ for name in antiphon.__all__}
    assert shown == loaded


def test_an_unknown_name_is_an_attribute_error() -> None:
    """It is refused the way any module refuses it."""
    with pytest.raises(AttributeError, match="module 'antiphon' has no attribute 'Serivce'"):
        antiphon.Serivce  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Serivce'"):
        exec("from antiphon import Serivce")


def test_importing_the_package_loads_nothing_else() -> None:
    """A name costs what it needs, when it is used."""
    assert loads("import antiphon", "antiphon_events", "pydantic", "redis", "faststream") == ""


def test_publishing_does_not_load_the_host_of_handlers() -> None:
    """A program that only publishes starts without FastStream."""
    code = (
        "from antiphon import Publisher, Settings\n"
        "Publisher(Settings(redis_url='redis://localhost'))"
    )
    assert loads(code, "faststream") == ""
    assert "faststream.redis" in loads("from antiphon import Service", "faststream")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["publish", "--help"], ["trace", "--help"], ["run", "--help"], ["dead", "--help"]],
    ids=" ".join,
)
def test_help_loads_neither_host_nor_client(arguments: list[str]) -> None:
    """Asking what a command does is answered before anything it needs is loaded."""
    assert loads(run(*arguments), "faststream", "redis", "pydantic", "structlog") == ""


def test_a_log_is_traced_without_the_host_of_handlers(tmp_path: Path) -> None:
    """Reading needs none of what runs handlers, nor the server's client."""
    log = tmp_path / "all.log"
    log.write_text(
        '{"event":"event.published","timestamp":"2026-01-31T12:00:00.000Z","correlation_id":"one",'
        '"event_id":"one","event_type":"service.failed","subject":"api","entry_id":"1-0"}\n'
    )
    assert loads(run("trace", "one", "--logs", os.fspath(log)), "faststream", "redis") == ""

"""The command line: mistakes are one line, and a broken plugin breaks only itself."""

from __future__ import annotations

from importlib.metadata import EntryPoint, version

import pytest
import typer

from antiphon.cli import commands
from antiphon.cli.main import main
from antiphon.errors import AntiphonError, ConfigurationError, StreamUnavailable

family = typer.Typer()


@family.command()
def first() -> None:
    """Greet."""
    typer.echo("first of the family")


@family.command()
def second() -> None:
    """Part."""


def greet(*, name: str = "nobody") -> None:
    """Greet somebody."""
    typer.echo(f"hello {name}")


def fail() -> None:
    raise ConfigurationError("no such\nplace")


def fail_twice() -> None:
    raise ExceptionGroup(
        "two", [StreamUnavailable("gone"), ExceptionGroup("one", [AntiphonError("lost")])]
    )


def fail_badly() -> None:
    raise ExceptionGroup("mixed", [AntiphonError("lost"), KeyError("defect")])


not_a_command = "just text"


@pytest.fixture(autouse=True)
def _plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("greet", "family", "fail", "fail_twice", "fail_badly", "not_a_command")
    points = [EntryPoint(name, f"{__name__}:{name}", "antiphon.commands") for name in names]
    points.append(EntryPoint("broken", "no_such_module:run", "antiphon.commands"))
    points.append(EntryPoint("server", f"{__name__}:greet", "antiphon.commands"))
    monkeypatch.setattr(commands, "entry_points", lambda *, group: _in(points, group))


def _in(points: list[EntryPoint], group: str) -> list[EntryPoint]:
    return [point for point in points if point.group == group]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["antiphon", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_it_says_its_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The version is that of the installed package."""
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"antiphon {version('antiphon')}\n"


def test_a_plugin_is_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function of another package becomes a command, options included."""
    assert run(monkeypatch, "greet", "--name", "Ada") == 0
    assert capsys.readouterr().out == "hello Ada\n"


def test_a_plugin_can_be_a_family(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Typer of another package becomes a command with commands."""
    assert run(monkeypatch, "family", "first") == 0
    assert capsys.readouterr().out == "first of the family\n"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("not_a_command", "TypeError: 'just text' is neither a function nor a typer.Typer"),
    ],
)
def test_a_broken_plugin_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    """Whatever its options, a command that does not load is one line with the reason."""
    assert run(monkeypatch, name, "--whatever", "5") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"antiphon: the command '{name}' (")
    assert said.endswith(f") does not load: {reason}\n")


def test_help_lists_everything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken plugin does not spoil the list, and is listed as what it is."""
    assert run(monkeypatch, "--help") == 0
    listed = capsys.readouterr().out
    assert "Greet somebody." in listed
    assert "Run a local Redis-protocol server" in listed
    assert "does not load: ModuleNotFoundError" in listed


def test_a_plugin_cannot_replace_our_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The framework's commands mean the same on every machine."""
    assert run(monkeypatch, "server", "--help") == 0
    assert "--durability" in capsys.readouterr().out


def test_a_slip_is_corrected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped command brings up the one that was meant."""
    assert run(monkeypatch, "sevrer") == 2
    assert "Did you mean 'server'?" in capsys.readouterr().err


def test_a_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of ours is its message on one line, without a traceback."""
    assert run(monkeypatch, "fail") == 2
    assert capsys.readouterr().err == "antiphon: no such place\n"


def test_mistakes_of_tasks_are_a_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors that arrive in a group are told one by one."""
    assert run(monkeypatch, "fail_twice") == 2
    assert capsys.readouterr().err == "antiphon: gone\nantiphon: lost\n"


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a mistake of the user is not dressed up as one."""
    monkeypatch.setattr("sys.argv", ["antiphon", "fail_badly"])
    with pytest.raises(ExceptionGroup, match="mixed"):
        main()

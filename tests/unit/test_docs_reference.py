"""The reference says what the code is: no name more, none less."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import distribution
from typing import Any, get_args

import pytest
import typer

import antiphon
import antiphon_events
import log_calls
from antiphon.broker import scripts
from antiphon.broker.guardrows import KINDS
from antiphon.cli.commands import ENTRY_POINT_GROUP, OURS, Commands
from antiphon.duration import format_duration
from antiphon.guards.quota import Quota
from antiphon.keys import Keys
from antiphon.ledger import Kind
from antiphon.records import Status
from antiphon.settings import Settings
from antiphon.trace import AttemptOutcome, StepOutcome
from antiphon_events import Failure, Lifecycle, catalogue, event_class
from documents import ROOT, code, page, rows, section, tables

PLUGGED_IN = {
    point.name
    for point in distribution("antiphon").entry_points
    if point.group == ENTRY_POINT_GROUP
}
_SHARED = {"--help"}
_FIXED = {
    "open_recoveries", "closed_recoveries", "fence", "dead", "groups", "workers",
    "parts", "described",
    "pauses", "held", "storm", "escalations", "guards", "audit", "timers", "approvals",
    "history",
}  # fmt: skip
_GUARDS = {
    "breaker": "<name>",
    "budget": "<action>:<subject>",
    "rate": "<what>",
    "relapse": "<type>:<subject>",
    "exclusive": "<resource>",
}
"""What the state of a guard is named by."""

_QUEUES = ("rate", "exclusive")
"""The guards at which deliveries wait in turn."""


def _shape(key: str) -> str:
    """A key without the names of what varies in it."""
    return re.sub(r"<[^>]+>", "<>", key)


def _families() -> set[str]:
    keys = Keys("cell")
    found = {getattr(keys, name) for name in _FIXED}
    found |= {keys.guard(kind, name) for kind, name in _GUARDS.items()}
    found |= {keys.queue(kind, _GUARDS[kind]) for kind in _QUEUES}
    found.update(keys.incident("<type>", "<subject>"))
    for name in [name for name, it in vars(Keys).items() if inspect.isfunction(it)]:
        method = getattr(keys, name)
        if name.startswith("_") or name in {"record", "guard", "queue", "incident"}:
            continue
        parameters = inspect.signature(method).parameters.values()
        given = [f"<{parameter.name}>" for parameter in parameters]
        found.add(method(*given))
        required = [p for p in parameters if p.default is inspect.Parameter.empty]
        found.add(method(*given[: len(required)]))
    return found


def _documented_keys() -> list[list[str]]:
    headings = ("## Events", "## Handlers", "## Deliveries", "## Guards", "## Records")
    return [row for heading in headings for row in rows(section("reference/keys.md", heading))]


def test_every_family_of_keys_is_listed() -> None:
    """`keys.md` lists what `keys.py` builds."""
    assert {_shape(code(row[0])[0]) for row in _documented_keys()} == set(map(_shape, _families()))


def test_fixed_keys_are_all_counted() -> None:
    """A key without a parameter is an attribute, and none of them is forgotten here."""
    texts = {name for name in Keys.__slots__ if isinstance(getattr(Keys("cell"), name), str)}
    assert texts - {"cell", "prefix"} == _FIXED


def test_every_kind_of_guard_is_named() -> None:
    """A guard that can be reset has its key in the table."""
    assert set(_GUARDS) == set(KINDS)


def test_scripts_named_as_writers_exist() -> None:
    """A writer in the table is a script or fragment that is there."""
    known = {path.stem for path in scripts._FOLDER.glob("*.lua")}
    for row in _documented_keys():
        named = [word for word in code(row[3].partition(":")[0]) if word.isalpha()]
        assert set(named) <= known, row[0]


def _commands() -> dict[str, Any]:
    """Every command that does something, by the words that call it."""
    group: Any = typer.main.get_command(_app())
    found: dict[str, Any] = {}
    for name in group.list_commands(None):
        if name not in {*OURS, *PLUGGED_IN}:
            continue  # another package's, on this machine
        command = group.get_command(None, name)
        below = getattr(command, "commands", {})
        found |= {f"{name} {sub}": one for sub, one in below.items()} if below else {name: command}
    return found


def _app() -> typer.Typer:
    app = typer.Typer(cls=Commands)
    app.callback()(lambda: None)
    return app


COMMANDS = _commands()


def _command_section(name: str) -> str:
    level = "##" if " " not in name else "###"
    return section("reference/commands.md", f"{level} `antiphon {name}`")


def test_every_command_is_listed() -> None:
    """The headings are the commands: ours, those that come with handlers, and their parts."""
    headings = re.findall(r"^###? `antiphon ([^`]+)`$", page("reference/commands.md"), re.MULTILINE)
    families = {name.partition(" ")[0] for name in COMMANDS if " " in name}
    assert set(headings) == {*COMMANDS, *families}
    assert {name.partition(" ")[0] for name in headings} == {*OURS, *PLUGGED_IN}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_listed(name: str) -> None:
    """A command's table lists its options, long and short, and no other."""
    options = {
        spelled
        for parameter in COMMANDS[name].params
        if parameter.param_type_name == "option"
        for spelled in (*parameter.opts, *parameter.secondary_opts)
    }
    listed = {
        word
        for row in rows(_command_section(name))
        for spelled in code(row[0])
        for word in spelled.split()[:1]
    }
    short = {"-y"}  # explained once for all commands
    assert listed | short == (options - _SHARED) | short


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_shown(name: str) -> None:
    """The line of use shows what a command takes."""
    arguments = [p for p in COMMANDS[name].params if p.param_type_name == "argument"]
    if arguments:
        shown = " ".join(p.metavar or p.name.upper() for p in arguments)
        assert f"`antiphon {name} {shown}`" in _command_section(name)


def _default(name: str) -> str:
    if name == "claim_every":
        return "half the lease"
    value = getattr(Settings(), name)
    match value:
        case None | {}:
            return "none"
        case bool():
            return str(value).lower()
        case int() | str() | Quota():
            return str(value)
        case tuple():
            return ",".join(map(format_duration, value))
        case _:
            return format_duration(value)


def test_every_setting_is_listed_with_its_default() -> None:
    """Names and defaults are those of `Settings`, in its order."""
    table, *_ = tables(page("reference/settings.md"))
    listed = [(code(row[0])[0], row[1].strip("`")) for row in table]
    assert listed == [(name, _default(name)) for name in Settings.model_fields]


KINDS_OF_EVENTS = {
    "## Failures": "failures",
    "## Completions": "recoveries",
    "## Steps": "steps",
    "## Lifecycle": "lifecycle",
    "## Approvals": "approvals",
}


def _ours() -> dict[str, dict[str, Any]]:
    """The catalogue, without the types that other tests define."""
    return {
        name: schema
        for name, schema in catalogue().items()
        if event_class(name).__module__.startswith("antiphon_events.")
    }


@pytest.mark.parametrize(
    ("heading", "module"),
    KINDS_OF_EVENTS.items(),
)
def test_every_event_is_listed(heading: str, module: str) -> None:
    """Each type stands under its kind, with its class and its fields."""
    listed = {
        code(row[0])[0]: (code(row[1])[0], code(row[3]))
        for row in rows(section("reference/events.md", heading))
    }
    expected = {
        name: (event_class(name).__name__, list(schema["properties"]))
        for name, schema in _ours().items()
        if event_class(name).__module__ == f"antiphon_events.{module}"
    }
    assert listed == expected


def test_no_kind_of_event_is_forgotten() -> None:
    """Every event of the catalogue stands under one of the headings, failures under theirs."""
    modules = {name: event_class(name).__module__.partition(".")[2] for name in _ours()}
    assert set(modules.values()) == set(KINDS_OF_EVENTS.values())
    for name, module in modules.items():
        assert issubclass(event_class(name), Failure) == (module == "failures"), name
        assert issubclass(event_class(name), Lifecycle) == (module in {"lifecycle", "approvals"})


def test_the_catalogue_is_at_version_one() -> None:
    """The page says so once, for all."""
    assert {event_class(name).version for name in _ours()} == {1}


def _documented_logs(headings: tuple[str, ...]) -> dict[str, tuple[set[str], set[str]]]:
    found: dict[str, tuple[set[str], set[str]]] = {}
    for heading in headings:
        for event, level, fields, _ in rows(section("reference/log-events.md", heading)):
            found[code(event)[0]] = (set(level.split(" or ")), set(code(fields)))
    return found


@pytest.mark.parametrize(
    ("folder", "headings"),
    [
        ("core", ("## Deliveries", "## Recoveries", "## Workers", "## The console")),
        ("handlers", ("## The probe",)),
    ],
)
def test_every_log_event_is_listed(folder: str, headings: tuple[str, ...]) -> None:
    """Name, level and fields are those of the calls in the code."""
    documented, written = _documented_logs(headings), log_calls.of(ROOT / folder)
    assert documented.keys() == written.keys()
    for event, (levels, fields) in documented.items():
        call = written[event]
        # Where a variable chooses event and level, only some of the pairs can happen.
        assert levels == call.levels or (levels < call.levels and call.chosen), event
        if call.unpacks:
            assert fields >= call.fields, event
        else:
            assert fields == call.fields, event


def test_every_kind_of_row_is_listed() -> None:
    """The kinds and their fields are those that the scripts write."""
    listed = {
        code(row[0])[0]: set(code(row[1]))
        for row in rows(section("reference/outcomes-and-ledger.md", "## The ledger"))
    }
    assert set(listed) == {str(kind) for kind in Kind}
    assert listed == log_calls.ledger_rows(scripts._FOLDER)


def test_every_verdict_is_listed() -> None:
    """The verdicts are what a recovery can be closed with."""
    listed = {
        code(row[0])[0] for row in rows(section("reference/outcomes-and-ledger.md", "## Verdicts"))
    }
    assert listed == set(get_args(Status)) - {"open"}


@pytest.mark.parametrize(
    ("sentence", "outcomes"),
    [("The outcome of a step", StepOutcome), ("That of an attempt", AttemptOutcome)],
)
def test_the_words_of_the_trace_are_listed(sentence: str, outcomes: Any) -> None:
    """Programs that read a trace find every outcome there can be."""
    words = section("reference/outcomes-and-ledger.md", "## Words of the trace")
    (line,) = [line for line in words.splitlines() if line.startswith(sentence)]
    assert code(line.partition(" is one of ")[2]) == [str(outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    ("package", "headings"),
    [
        (
            antiphon,
            (
                "## `antiphon`: services and handlers",
                "## `antiphon`: publishing",
                "## `antiphon`: errors",
            ),
        ),
        (
            antiphon_events,
            (
                "## `antiphon_events`: the vocabulary",
                "## `antiphon_events`: reading and writing entries",
            ),
        ),
    ],
)
def test_every_public_name_is_listed(package: Any, headings: tuple[str, ...]) -> None:
    """The tables name what `__all__` does, each once."""
    listed = [
        name
        for heading in headings
        for row in rows(section("reference/python-api.md", heading).partition("\n### ")[0])
        for name in code(row[0])
    ]
    assert sorted(listed) == sorted(package.__all__)

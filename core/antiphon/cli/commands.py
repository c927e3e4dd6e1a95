"""The commands of ``antiphon``: our own, and those other packages bring.

A command is imported when it is asked for, or when all are listed, so that starting one costs
nothing for the others and one that is broken breaks nothing but itself.

Another package adds a command by naming a function, or a ``typer.Typer`` for a family of them, in
the entry-point group ``antiphon.commands``. It cannot replace one of ours.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from antiphon.errors import ConfigurationError

ENTRY_POINT_GROUP = "antiphon.commands"

OURS = {
    "run": "antiphon.cli.run:run",
    "publish": "antiphon.cli.publish:publish",
    "recoveries": "antiphon.cli.recoveries:recoveries",
    "trace": "antiphon.cli.trace:trace",
    "explain": "antiphon.cli.explain:explain",
    "watch": "antiphon.cli.watch:watch",
    "diff": "antiphon.cli.diff:diff",
    "report": "antiphon.cli.report:report",
    "ack": "antiphon.cli.ack:ack",
    "approvals": "antiphon.cli.approvals:approvals",
    "approve": "antiphon.cli.approvals:approve",
    "deny": "antiphon.cli.approvals:deny",
    "cancel": "antiphon.cli.cancel:cancel",
    "dead": "antiphon.cli.dead:dead",
    "groups": "antiphon.cli.groups:groups",
    "guards": "antiphon.cli.guards:guards",
    "console": "antiphon.cli.console:console",
    "pause": "antiphon.cli.pause:pause",
    "resume": "antiphon.cli.pause:resume",
    "doctor": "antiphon.cli.doctor:doctor",
    "graph": "antiphon.cli.graph:graph",
    "check": "antiphon.cli.check:check",
    "schema": "antiphon.cli.schema:schema",
    "server": "antiphon.cli.server:server",
}
"""Each command of the framework: its name, and the function or the ``typer.Typer`` behind it."""


class Commands(TyperGroup):
    """The group behind ``antiphon``: it knows every name at once and loads a command when used."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._entry_points = _all_entry_points()
        # Typer lists names and suggests near ones from here; `get_command` has the real command.
        self.commands.update({name: TyperCommand(name) for name in self._entry_points})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  Typer's signature
        """Load the command, or a stand-in that says why it does not load."""
        entry_point = self._entry_points.get(cmd_name)
        return None if entry_point is None else _load(entry_point)


def _all_entry_points() -> dict[str, EntryPoint]:
    ours = {name: EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in OURS.items()}
    theirs = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    return ours | {name: theirs[name] for name in sorted(theirs.keys() - ours.keys())}


def _load(entry_point: EntryPoint) -> Any:
    try:
        return _as_command(entry_point.name, entry_point.load())
    except Exception as error:  # noqa: BLE001  importing somebody's code can raise anything
        return _stand_in(entry_point, error)


def _as_command(name: str, loaded: object) -> Any:
    if isinstance(loaded, typer.Typer):
        command = typer.main.get_command(loaded)
        command.name = name
        return command
    if not callable(loaded):
        raise TypeError(f"{loaded!r} is neither a function nor a typer.Typer")
    alone = typer.Typer(add_completion=False)
    alone.command(name)(loaded)
    return typer.main.get_command(alone)


def _stand_in(entry_point: EntryPoint, error: Exception) -> TyperCommand:
    reason = f"does not load: {type(error).__name__}: {error}"

    def refuse() -> NoReturn:
        raise ConfigurationError(
            f"the command {entry_point.name!r} ({entry_point.value}) {reason}"
        ) from error

    return TyperCommand(
        entry_point.name,
        callback=refuse,
        help=f"({reason})",
        # Whatever options follow, the reason is what to say.
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )

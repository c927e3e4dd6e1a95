"""What ``antiphon graph`` and ``antiphon check`` share: the choreography they look at."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import settings_from
from antiphon.errors import AntiphonError, ConfigurationError

if TYPE_CHECKING:
    from antiphon.choreography import Choreography
    from antiphon.choreography.running import Running
    from antiphon.service import Service
    from antiphon.settings import Settings

ServicesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODULE:SERVICE]...", help="The services that work together."),
]
LiveOption = Annotated[
    bool,
    typer.Option("--live", help="Look at the handlers that workers run now, and name none."),
]


@dataclass(frozen=True, slots=True)
class Found:
    """A choreography, and what runs when it is that of running services."""

    choreography: Choreography
    running: Running | None = None

    def remark(self) -> None:
        """Say on standard error what a drawing does not show."""
        from antiphon.trace.words import plain  # noqa: PLC0415  keep `--help` quick

        for line in self.running.remarks() if self.running else ():
            typer.echo(f"note: {plain(line)}", err=True)


def find(services: Sequence[str] | None, *, live: bool, url: str | None, cell: str | None) -> Found:
    """Find the choreography that a command is asked about.

    Args:
        services: Those that were named.
        live: Whether to look at what runs instead.
        url: The server to look at, unless it is that of the settings.
        cell: The same of the namespace.

    Raises:
        ConfigurationError: Neither or both were asked for, or nothing runs.
    """
    if live == bool(services):
        raise ConfigurationError(
            "name the services, as MODULE:SERVICE, or give --live for those that run; not both"
        )
    if services and (url or cell):
        raise ConfigurationError("--url and --cell say where to look with --live")
    if services:
        return Found(choreography_of(services))
    settings = settings_from(url, cell)
    running = asyncio.run(_running(settings))
    if not running.choreography.parts:
        raise ConfigurationError(_nothing_runs(running, settings))
    return Found(running.choreography, running)


async def _running(settings: Settings) -> Running:
    from antiphon.broker.errand import Errand  # noqa: PLC0415  keep `--help` quick
    from antiphon.broker.running import read_running  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await read_running(errand)


def _nothing_runs(running: Running, settings: Settings) -> str:
    from antiphon.trace.words import plain  # noqa: PLC0415  as above

    said = plain("; ".join(running.remarks()))
    return (
        f"no worker in the cell {settings.cell!r} says what its handlers do: start services with "
        "`antiphon run`, or name another place with --cell and --url"
        + (f" ({said})" if said else "")
    )


def choreography_of(names: Sequence[str]) -> Choreography:
    """Import services and read what they do together; files are named from the current folder.

    Raises:
        ConfigurationError: one cannot be imported, or is no service.
    """
    from antiphon.choreography import Choreography  # noqa: PLC0415  keep `--help` quick

    with redirect_stdout(sys.stderr):  # what a module says while it is imported is no answer
        found = Choreography.of(*map(_load, names))
    parts = (replace(part, file=_from_here(part.file)) for part in found.parts)
    aims = (replace(aim, file=_from_here(aim.file)) for aim in found.aims)
    return replace(found, parts=tuple(parts), aims=tuple(aims))


def _load(name: str) -> Service:
    from antiphon.loading import load_service  # noqa: PLC0415  as above

    try:
        return load_service(name)
    except AntiphonError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise ConfigurationError(f"{name} does not load: {said}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """Where it was raised; a syntax error says so itself, and its traceback shows the importer."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<")
    ]
    if isinstance(error, SyntaxError) or not frames:
        return ""
    return f" ({_from_here(frames[-1].filename)}:{frames[-1].lineno})"


def _from_here(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file

"""Options that commands share, and the settings they amount to."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from antiphon.settings import Settings

UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The Redis server, instead of ANTIPHON_REDIS_URL's."),
]
CellOption = Annotated[
    str | None,
    typer.Option("--cell", metavar="NAME", help="The namespace, instead of ANTIPHON_CELL's."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ImportOption = Annotated[
    list[str] | None,
    typer.Option("--import", metavar="MODULE", help="It defines event types. Repeatable."),
]


def length(value: str | timedelta) -> timedelta:
    """Read an option that is a length of time."""
    from antiphon.duration import duration  # noqa: PLC0415  keep `--help` quick

    try:
        return duration(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def settings_from(url: str | None, cell: str | None, serve: str | None = None) -> Settings:
    """Read the settings from the environment; an option that was given goes before it.

    Raises:
        ConfigurationError: A value is wrong.
    """
    from antiphon.settings import Settings  # noqa: PLC0415  keep `--help` quick

    given: dict[str, Any] = {"redis_url": url, "cell": cell, "serve": serve}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def export(url: str | None, cell: str | None) -> None:
    """Make options count for services, which read the environment when they first need to."""
    from antiphon.settings import ENV_PREFIX  # noqa: PLC0415  keep `--help` quick

    for name, value in (("REDIS_URL", url), ("CELL", cell)):
        if value is not None:
            os.environ[f"{ENV_PREFIX}{name}"] = value

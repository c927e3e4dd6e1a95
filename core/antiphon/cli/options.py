"""Options that commands share, and the settings they amount to."""

from __future__ import annotations

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


def settings_from(url: str | None, cell: str | None) -> Settings:
    """Read the settings from the environment; an option that was given goes before it.

    Raises:
        ConfigurationError: A value is wrong.
    """
    from antiphon.settings import Settings  # noqa: PLC0415  keep `--help` quick

    given: dict[str, Any] = {"redis_url": url, "cell": cell}
    return Settings(**{name: value for name, value in given.items() if value is not None})

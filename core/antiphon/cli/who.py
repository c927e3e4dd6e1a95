"""Who gives a command that concerns everybody."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from antiphon.errors import ConfigurationError

AsOption = Annotated[
    str | None,
    typer.Option("--as", metavar="WHO", help="Who does this, instead of the login name."),
]


def who(given: str | None) -> str:
    """Return the name that is kept with what was done.

    Raises:
        ConfigurationError: No name was given, and this user has none.
    """
    if given is None:
        try:
            given = getpass.getuser()
        except (KeyError, OSError) as error:
            raise ConfigurationError("this user has no name: say who you are, --as WHO") from error
    if not given.strip():
        raise ConfigurationError("--as is empty: say who you are")
    return given

"""The ``antiphon`` program.

A mistake of its user, or of the surroundings, is one line on standard error and exit status 2.
A traceback means a defect.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer

from antiphon.cli.commands import Commands
from antiphon.errors import AntiphonError

app = typer.Typer(
    cls=Commands,
    name="antiphon",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:  # noqa: FBT001  Typer calls it so
    if asked:
        from importlib.metadata import version  # noqa: PLC0415  slow, and rarely asked for

        typer.echo(f"antiphon {version('antiphon')}")
        raise typer.Exit


@app.callback()
def antiphon(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which."),
    ] = False,
) -> None:
    """Choreographed recovery over Redis Streams: a failure calls, your services answer."""


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        app()
    except AntiphonError as mistake:
        _refuse(mistake)
    except ExceptionGroup as group:
        # Commands that run tasks side by side raise what went wrong in a group.
        mistakes, defects = group.split(AntiphonError)
        if mistakes is None or defects is not None:
            raise
        _refuse(*_leaves(mistakes))


def _refuse(*mistakes: BaseException) -> NoReturn:
    for mistake in mistakes:
        typer.echo(f"antiphon: {' '.join(str(mistake).split())}", err=True)
    sys.exit(2)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error

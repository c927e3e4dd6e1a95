"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from antiphon.errors import AntiphonError, ConfigurationError, TransientError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDE = 200
"""Columns of a list that no terminal shows."""


def print_json(document: Any) -> None:
    """Print a document of plain values, one value to a line."""
    import orjson  # noqa: PLC0415  keep `--help` quick

    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def console() -> Console:
    """Return where tables go: as wide as the terminal, or one line for each row without one."""
    from rich.console import Console  # noqa: PLC0415  keep `--help` quick

    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = _WIDE
    return found


def table(*columns: str, wrapped: str) -> Table:
    """Return an empty table without lines; of its columns only `wrapped` may be broken."""
    from rich.table import Table  # noqa: PLC0415  keep `--help` quick

    empty = Table(box=None, pad_edge=False)
    for column in columns:
        empty.add_column(column, no_wrap=column != wrapped)
    return empty


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile.

    What reads a long recovery makes half a million objects that are all needed until it ends; to
    look through them again and again takes a tenth of its time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def refusing() -> Iterator[None]:
    """End with status 1, and one line that says why, when what a person asked for is refused.

    A server that cannot be reached and settings that are wrong are no refusals.
    """
    try:
        yield
    except (ConfigurationError, TransientError):
        raise
    except AntiphonError as refusal:
        typer.echo(f"antiphon: {' '.join(str(refusal).split())}", err=True)
        raise typer.Exit(1) from refusal

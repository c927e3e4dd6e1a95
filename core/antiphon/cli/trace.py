"""``antiphon trace``: one recovery, as a picture, as a path of causes, or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption
from antiphon.cli.output import print_json, uncollected
from antiphon.cli.sources import FilesArgument, LogsOption, traced
from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.trace import Trace

NOT_COMPLETED = frozenset({"partial", "failed", "halted", "cancelled"})
"""Verdicts that end the command with status 1."""


def trace(
    correlation_id: Annotated[str, typer.Argument(metavar="ID", help="Its correlation id.")],
    more: FilesArgument = None,
    *,
    logs: LogsOption = None,
    path: Annotated[
        str | None,
        typer.Option(
            "--path",
            metavar="WHAT",
            help="Show only the causes that led to this: an event (id, TYPE or TYPE@SUBJECT), a "
            "step (id or SERVICE.HANDLER), or `end`.",
        ),
    ] = None,
    full_scale: Annotated[
        bool, typer.Option("--full-scale", help="Leave no time out in which nothing happened.")
    ] = False,
    json: JsonOption = False,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Draw the waterfall into an SVG file as well."),
    ] = None,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Show what happened in a recovery, what still runs and what it waits for.

    Ends with status 1 when the recovery failed, was stopped or succeeded in part only, 2 when it
    is unknown.
    """
    with uncollected():
        found = traced(correlation_id, logs, more, url=url, cell=cell)
        if svg:
            _write_drawing(found, svg, full_scale=full_scale)
        if path is not None:
            _follow(found, path, json=json)
        elif json:
            print_json(found.to_dict())
        else:
            _draw(found, full_scale=full_scale)
    if found.verdict in NOT_COMPLETED:
        raise typer.Exit(1)


def _follow(found: Trace, what: str, *, json: bool) -> None:
    from antiphon.trace.causes import causes  # noqa: PLC0415  keep `--help` quick

    led = causes(found, what)
    if json:
        print_json(led.to_dict())
    else:
        typer.echo(led)


def _write_drawing(found: Trace, file: Path, *, full_scale: bool) -> None:
    from antiphon.drawing import waterfall  # noqa: PLC0415  keep `--help` quick

    try:
        file.write_text(waterfall(found, full_scale=full_scale), encoding="utf-8")
    except OSError as error:
        raise AntiphonError(f"cannot write the drawing {str(file)!r}: {error.strerror}") from error


def _draw(found: Trace, *, full_scale: bool) -> None:
    from rich.console import Console  # noqa: PLC0415  keep `--help` quick

    from antiphon.trace.picture import Picture  # noqa: PLC0415

    # It fits the console by itself; to have each of its lines measured again would take as long.
    Console().print(Picture(found, full_scale=full_scale), crop=False)

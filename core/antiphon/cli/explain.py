"""``antiphon explain``: one recovery in plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption
from antiphon.cli.output import print_json
from antiphon.cli.sources import FilesArgument, LogsOption, traced
from antiphon.cli.trace import NOT_COMPLETED

if TYPE_CHECKING:
    from antiphon.trace.explain import Explanation


def explain(
    correlation_id: Annotated[str, typer.Argument(metavar="ID", help="Its correlation id.")],
    more: FilesArgument = None,
    *,
    logs: LogsOption = None,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Say in plain sentences where a recovery stands, why, what it waits for and what to do next.

    Ends with status 1 when the recovery failed, was stopped or succeeded in part only, 2 when it
    is unknown.
    """
    from antiphon.trace.explain import explain as explained  # noqa: PLC0415  keep `--help` quick

    found = traced(correlation_id, logs, more, url=url, cell=cell)
    said = explained(found)
    if json:
        print_json(said.to_dict())
    else:
        _write(said)
    if found.verdict in NOT_COMPLETED:
        raise typer.Exit(1)


def _write(said: Explanation) -> None:
    """Write it as wide as the terminal is, commands unbroken where there is room."""
    from rich.console import Console  # noqa: PLC0415  as above
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    for position, (title, sentences) in enumerate(said.sections()):
        if position:
            console.print()
        console.print(Text(title, style="bold"))
        for sentence in sentences:
            console.print(Padding(Text(f"- {sentence}"), (0, 0, 0, 2)), soft_wrap=False)

"""``antiphon graph``: which handlers and events there are, and what leads to what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from antiphon.cli.choreography import LiveOption, ServicesArgument, find
from antiphon.cli.options import CellOption, UrlOption
from antiphon.cli.output import print_json

if TYPE_CHECKING:
    from antiphon.choreography import Choreography


def graph(
    services: ServicesArgument = None,
    *,
    live: LiveOption = False,
    format_: Annotated[
        Literal["text", "mermaid", "graphviz", "svg", "json"],
        typer.Option("--format", help="In which language to write it."),
    ] = "text",
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Show the choreography of services, as their handlers declare it.

    Of services that are named it needs no server, and it runs no handler. With --live it shows
    what workers run now, as they say themselves.
    """
    from antiphon.choreography.document import document  # noqa: PLC0415  keep `--help` quick
    from antiphon.choreography.graphviz import graphviz  # noqa: PLC0415
    from antiphon.choreography.mermaid import mermaid  # noqa: PLC0415
    from antiphon.choreography.text import text  # noqa: PLC0415
    from antiphon.drawing import choreography as svg  # noqa: PLC0415

    found = find(services, live=live, url=url, cell=cell)
    if format_ == "json":
        runs = {"running": found.running.to_dict()} if found.running else {}
        print_json({**document(found.choreography), **runs})
    else:
        writers: dict[str, Callable[[Choreography], str]] = {
            "text": text,
            "mermaid": mermaid,
            "graphviz": graphviz,
            "svg": svg,
        }
        typer.echo(writers[format_](found.choreography))
    found.remark()

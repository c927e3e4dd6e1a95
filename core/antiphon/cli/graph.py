"""``antiphon graph``: which handlers and events there are, and what leads to what."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from antiphon.cli.choreography import ServicesArgument, choreography_of
from antiphon.cli.output import print_json


def graph(
    services: ServicesArgument,
    *,
    format_: Annotated[
        Literal["text", "mermaid", "graphviz", "json"],
        typer.Option("--format", help="In which language to write it."),
    ] = "text",
) -> None:
    """Show the choreography of services, as their handlers declare it.

    It needs no server and runs no handler.
    """
    from antiphon.choreography.document import document  # noqa: PLC0415  keep `--help` quick
    from antiphon.choreography.graphviz import graphviz  # noqa: PLC0415
    from antiphon.choreography.mermaid import mermaid  # noqa: PLC0415
    from antiphon.choreography.text import text  # noqa: PLC0415

    found = choreography_of(services)
    if format_ == "json":
        print_json(document(found))
    else:
        write = {"text": text, "mermaid": mermaid, "graphviz": graphviz}[format_]
        typer.echo(write(found))

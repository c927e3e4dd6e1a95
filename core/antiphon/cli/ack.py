"""``antiphon ack``: say that you know of an escalation, so that nobody further up is told."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from
from antiphon.cli.output import print_json
from antiphon.cli.who import AsOption, who

if TYPE_CHECKING:
    from antiphon.broker.escalations import Acknowledgement
    from antiphon.settings import Settings


def ack(
    correlation_id: Annotated[str, typer.Argument(metavar="ID", help="Its correlation id.")],
    *,
    as_: AsOption = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="What others should know about it.")
    ] = "",
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Acknowledge the escalation of a recovery: you have it, and nobody further up is told.

    It changes nothing about the recovery itself. Repeating it is harmless.
    """
    from antiphon.instants import iso  # noqa: PLC0415  keep `--help` quick
    from antiphon.telemetry.logging import configure  # noqa: PLC0415
    from antiphon.trace.words import plain  # noqa: PLC0415

    settings = settings_from(url, cell)
    # A person at a terminal reads the sentence; what collects the log gets its line.
    configure(settings.log_format, "error" if sys.stderr.isatty() else settings.log_level)
    known = asyncio.run(_acknowledge(settings, correlation_id, who(as_), reason))
    if json:
        print_json(
            {
                "correlation_id": correlation_id,
                "by": known.by,
                "at": iso(known.at),
                "repeated": known.repeated,
            }
        )
    elif known.repeated:
        typer.echo(f"{plain(known.by)} had acknowledged it already, at {iso(known.at)}.")
    else:
        typer.echo(f"Acknowledged by {plain(known.by)}: nobody further up is told.")


async def _acknowledge(
    settings: Settings, correlation_id: str, by: str, reason: str
) -> Acknowledgement:
    from antiphon.broker.errand import Errand  # noqa: PLC0415  as above
    from antiphon.broker.escalations import Escalations  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await Escalations(errand).acknowledge(correlation_id, by=by, reason=reason)

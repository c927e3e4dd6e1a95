"""``antiphon cancel``: end a recovery by hand."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from
from antiphon.cli.output import print_json, refusing
from antiphon.cli.who import AsOption, who

if TYPE_CHECKING:
    from antiphon.broker.cancelling import Cancelled
    from antiphon.settings import Settings


def cancel(
    correlation_id: Annotated[str, typer.Argument(metavar="RECOVERY", help="Its correlation id.")],
    *,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever wonders.")
    ],
    as_: AsOption = None,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Cancel a recovery: what runs ends as it would, nothing else of it begins.

    Steps that were completed and know how are then undone, the last first, and the recoveries it
    started are cancelled with it. Ends with status 1 when there is nothing to cancel.
    """
    from antiphon.telemetry.logging import configure  # noqa: PLC0415  keep `--help` quick

    settings, by = settings_from(url, cell), who(as_)
    # A person at a terminal reads the sentence; what collects the log gets its line.
    configure(settings.log_format, "error" if sys.stderr.isatty() else settings.log_level)
    with refusing():
        ended = asyncio.run(_cancel(settings, correlation_id, by, reason))
    if json:
        print_json(
            {
                "correlation_id": correlation_id,
                "by": by,
                "repeated": ended.repeated,
                "verdict": ended.verdict or None,
                "dropped": ended.dropped,
                "children": ended.children,
            }
        )
    else:
        from antiphon.advised import command  # noqa: PLC0415  as above
        from antiphon.trace.words import plain  # noqa: PLC0415

        trace = command("trace", correlation_id)
        then = ": " if ended.repeated else "\n→ "
        typer.echo(ended.said(by) + then + plain(trace))


async def _cancel(settings: Settings, correlation_id: str, by: str, reason: str) -> Cancelled:
    from antiphon.broker.cancelling import Cancelling  # noqa: PLC0415  as above
    from antiphon.broker.errand import Errand  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await Cancelling(errand).cancel(correlation_id, by=by, reason=reason)

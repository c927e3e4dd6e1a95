"""``antiphon recoveries``: which recoveries there are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, length, settings_from
from antiphon.cli.output import console, print_json, table

if TYPE_CHECKING:
    from antiphon.records import Status
    from antiphon.settings import Settings
    from antiphon.summary import Summary


def recoveries(
    *,
    status: Annotated[
        Literal["open", "completed", "partial", "failed", "halted", "cancelled"] | None,
        typer.Option(help="Only open ones, or only those closed with this verdict."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Only those of this service, database, cache, …")
    ] = None,
    since: Annotated[
        timedelta | None,
        typer.Option(
            parser=length, metavar="DURATION", help="Only those still open so long ago, as in 1h."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """List recoveries, open ones first and then the newest."""
    found = asyncio.run(
        _listed(settings_from(url, cell), status=status, subject=subject, since=since, limit=limit)
    )
    if json:
        print_json([summary.to_dict() for summary in found])
    elif found:
        _draw(found)
    else:
        typer.echo("There is no such recovery.")


async def _listed(
    settings: Settings,
    *,
    status: Status | None,
    subject: str | None,
    since: timedelta | None,
    limit: int,
) -> Sequence[Summary]:
    from antiphon.broker.connection import opened  # noqa: PLC0415  keep `--help` quick
    from antiphon.broker.reading import RedisReading  # noqa: PLC0415
    from antiphon.keys import Keys  # noqa: PLC0415
    from antiphon.records import Records  # noqa: PLC0415

    async with opened(settings) as client:
        records = Records(RedisReading(client, Keys(settings.cell)))
        return await records.recoveries(status=status, subject=subject, since=since, limit=limit)


def _draw(found: Sequence[Summary]) -> None:
    from rich.text import Text  # noqa: PLC0415  keep `--help` quick

    from antiphon.trace.words import plain, spell  # noqa: PLC0415

    now = datetime.now(UTC)
    listed = table("id", "status", "opened", "took", "what", wrapped="what")
    for summary in found:
        opened, closed = summary.opened, summary.closed
        about = f"{summary.subject} {summary.type}"
        listed.add_row(
            Text(plain(summary.correlation_id)),
            summary.verdict or summary.status,
            f"{spell(now - opened)} ago" if opened else "",
            spell(closed - opened) if closed and opened else "",
            Text(plain(", ".join((about, *_decisions(summary), *_course(summary))))),
        )
    console().print(listed)


def _decisions(summary: Summary) -> Iterator[str]:
    """Say what the guards decided about a recovery, and people."""
    if summary.coalesced:
        yield f"{summary.coalesced} more joined"
    if summary.relapse_of:
        yield "a relapse"
    if summary.suppressed:
        yield f"{summary.suppressed} suppressed"
    if summary.halted and summary.verdict != "halted":
        yield "halted"
    if summary.acked:
        yield f"acknowledged by {summary.acked_by}"
    elif summary.escalated:
        yield f"escalated (tier {summary.tier})"


def _course(summary: Summary) -> Iterator[str]:
    """Say what else sets a recovery apart from one that just goes on, or came to its end."""
    if summary.parent:
        yield "a child"
    if summary.cancelled and summary.verdict != "cancelled":
        yield "cancelled"
    if summary.stalled:
        yield "past its deadline"
    if summary.undoing:
        yield "rolling back"
    if summary.undone:
        yield f"{summary.undone} undone"
    if summary.notundone:
        yield f"{summary.notundone} not undone"

"""``antiphon recoveries``: which recoveries there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from

if TYPE_CHECKING:
    from rich.table import Table

    from antiphon.records import Status
    from antiphon.settings import Settings
    from antiphon.summary import Summary

_WIDE = 200
"""Columns of a list that no terminal shows."""


def _length(text: str) -> timedelta:
    from antiphon.duration import duration  # noqa: PLC0415  keep `--help` quick

    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def recoveries(
    *,
    status: Annotated[
        Literal["open", "completed", "partial", "failed"] | None,
        typer.Option(help="Only open ones, or only those closed with this verdict."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Only those of this service, database, cache, …")
    ] = None,
    since: Annotated[
        timedelta | None,
        typer.Option(
            parser=_length, metavar="DURATION", help="Only those still open so long ago, as in 1h."
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
        import orjson  # noqa: PLC0415  keep `--help` quick

        as_json = [summary.to_dict() for summary in found]
        typer.echo(orjson.dumps(as_json, option=orjson.OPT_INDENT_2))
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
    from rich.console import Console  # noqa: PLC0415  keep `--help` quick

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE  # one line for each, whoever reads it
    console.print(_table(found, datetime.now(UTC)))


def _table(found: Sequence[Summary], now: datetime) -> Table:
    from rich.table import Table  # noqa: PLC0415  keep `--help` quick
    from rich.text import Text  # noqa: PLC0415

    from antiphon.trace.words import plain, spell  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("opened", no_wrap=True)
    table.add_column("took", no_wrap=True)
    table.add_column("what")
    for summary in found:
        closed = summary.closed
        table.add_row(
            Text(plain(summary.correlation_id)),
            summary.verdict or summary.status,
            f"{spell(now - summary.opened)} ago" if summary.opened else "",
            spell(closed - summary.opened) if closed and summary.opened else "",
            Text(plain(f"{summary.subject} {summary.type}")),
        )
    return table

"""``antiphon trace``: one recovery, as a picture or as JSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from
from antiphon.cli.output import print_json
from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.settings import Settings
    from antiphon.trace import Trace

_STANDARD_INPUT = "-"


def trace(
    correlation_id: Annotated[str, typer.Argument(metavar="ID", help="Its correlation id.")],
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="More log files, after --logs FILE."),
    ] = None,
    *,
    logs: Annotated[
        list[str] | None,
        typer.Option(
            "--logs",
            metavar="FILE",
            help="Use these JSON log lines, of any service, instead of the record; - is standard "
            "input. Several files may follow.",
        ),
    ] = None,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Show what happened in a recovery, what still runs and what it waits for.

    Ends with status 1 when the recovery failed, was stopped or succeeded in part only, 2 when it
    is unknown.
    """
    if more and not logs:
        raise AntiphonError(f"{more[0]!r} is one argument too many: log files follow --logs")
    found = (
        _from_logs([*logs, *(more or ())], correlation_id)
        if logs
        else asyncio.run(_from_record(settings_from(url, cell), correlation_id))
    )
    if json:
        print_json(found.to_dict())
    else:
        _draw(found)
    if found.verdict in {"partial", "failed", "halted", "cancelled"}:
        raise typer.Exit(1)


def _from_logs(files: Sequence[str], correlation_id: str) -> Trace:
    from antiphon.trace import Trace  # noqa: PLC0415  keep `--help` quick

    found = Trace.from_logs(_lines(files), correlation_id)
    if not found.events:
        raise AntiphonError(
            f"no line of {', '.join(files)} tells of a recovery {correlation_id!r}: give the JSON "
            "logs of the services that took part, or leave out --logs to read its record"
        )
    return found


def _lines(files: Sequence[str]) -> Iterator[bytes]:
    for name in files:
        with ExitStack() as closing:
            if name == _STANDARD_INPUT:
                yield from sys.stdin.buffer
                continue
            try:
                file = closing.enter_context(Path(name).open("rb"))
            except OSError as error:
                raise AntiphonError(
                    f"cannot read the log file {name!r}: {error.strerror}"
                ) from error
            yield from file


async def _from_record(settings: Settings, correlation_id: str) -> Trace:
    from antiphon.broker.connection import opened  # noqa: PLC0415  keep `--help` quick
    from antiphon.broker.reading import RedisReading  # noqa: PLC0415
    from antiphon.keys import Keys  # noqa: PLC0415
    from antiphon.records import Records  # noqa: PLC0415

    async with opened(settings) as client:
        found = await Records(RedisReading(client, Keys(settings.cell))).trace(correlation_id)
    if found is None:
        raise AntiphonError(
            f"no recovery {correlation_id!r} is recorded in the cell {settings.cell!r}: "
            "`antiphon recoveries` lists those that are, --cell and --url name another place, "
            "and --logs FILE shows one whose record has expired"
        )
    return found


def _draw(found: Trace) -> None:
    from rich.console import Console  # noqa: PLC0415  keep `--help` quick

    from antiphon.trace.picture import Picture  # noqa: PLC0415

    Console().print(Picture(found))

"""Where commands get a trace from: the record of a recovery, or log files."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import settings_from
from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.settings import Settings
    from antiphon.summary import Summary
    from antiphon.trace import Trace

_STANDARD_INPUT = "-"

FilesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE]...", help="More log files, after --logs FILE."),
]
LogsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--logs",
        metavar="FILE",
        help="Use these JSON log lines, of any service, instead of the record; - is standard "
        "input. Several files may follow.",
    ),
]


def traced(
    correlation_id: str,
    logs: Sequence[str] | None,
    more: Sequence[str] | None,
    *,
    url: str | None,
    cell: str | None,
) -> Trace:
    """Return the trace of a recovery, from log files if there are any.

    Raises:
        AntiphonError: There is no such recovery, or a file cannot be read.
    """
    if more and not logs:
        raise AntiphonError(f"{more[0]!r} is one argument too many: log files follow --logs")
    if logs:
        return from_logs([*logs, *(more or ())], correlation_id)
    [found] = asyncio.run(from_record(settings_from(url, cell), correlation_id))
    return found


def from_logs(files: Sequence[str], correlation_id: str) -> Trace:
    """Build a trace from log files alone.

    Raises:
        AntiphonError: No line tells of the recovery, or a file cannot be read.
    """
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


async def from_record(settings: Settings, *correlation_ids: str) -> list[Trace]:
    """Read the traces of recoveries, in the order they are named.

    Raises:
        AntiphonError: One of them is not recorded, or has not begun.
    """
    from antiphon.broker.connection import opened  # noqa: PLC0415  keep `--help` quick
    from antiphon.broker.reading import RedisReading  # noqa: PLC0415
    from antiphon.keys import Keys  # noqa: PLC0415
    from antiphon.records import Records  # noqa: PLC0415

    found = []
    async with opened(settings) as client:
        records = Records(RedisReading(client, Keys(settings.cell)))
        for correlation_id in correlation_ids:
            trace = await records.trace(correlation_id)
            check(settings, correlation_id, None if trace is None else trace.summary)
            if trace is not None:
                found.append(trace)
    return found


def check(settings: Settings, correlation_id: str, summary: Summary | None) -> None:
    """Refuse a recovery of which there is nothing to show, and say where else to look.

    Raises:
        AntiphonError: It is unknown, or was cancelled before it began.
    """
    if summary is None:
        raise AntiphonError(
            f"no recovery {correlation_id!r} is recorded in the cell {settings.cell!r}: "
            "`antiphon recoveries` lists those that are, --cell and --url name another place, "
            "and --logs FILE shows one whose record has expired"
        )
    if not summary.begun:
        raise AntiphonError(
            f"the recovery {correlation_id!r} was cancelled before it began, by "
            f"{summary.cancelled!r}: there is nothing to show, and no step of it will start"
        )

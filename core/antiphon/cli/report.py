"""``antiphon report``: what is to be said after an incident, and at the end of a quarter."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from antiphon.cli.options import CellOption, UrlOption, length, settings_from
from antiphon.cli.sources import LogsOption, check, from_logs
from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.report.document import Document
    from antiphon.report.incident import Incident
    from antiphon.settings import Settings

_Format = Literal["md", "html", "json"]

_MOST = 100
"""Recoveries in one report; each is read as a whole, and nobody reads more."""


def report(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Correlation ids of recoveries.")
    ] = None,
    *,
    since: Annotated[
        timedelta | None,
        typer.Option(
            parser=length,
            metavar="DURATION",
            help="Review all recoveries that opened so long ago or later, as in 90d.",
        ),
    ] = None,
    logs: LogsOption = None,
    form: Annotated[
        _Format, typer.Option("--format", help="Markdown, one HTML page, or JSON of a review.")
    ] = "md",
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")
    ] = None,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Report on recoveries from their own records, or review all since some time."""
    names = list(dict.fromkeys(ids or []))
    if since is not None and (names or logs):
        other = repr(names[0]) if names else "--logs"
        raise AntiphonError(
            f"{other} and --since ask for two different reports: name recoveries for a report on "
            "them, or give --since for a review of all"
        )
    if since is None and not names:
        raise AntiphonError(
            "a report on what? Name a recovery (`antiphon recoveries` lists them), or give --since "
            "90d for a review of all"
        )
    if since is None and form == "json":
        raise AntiphonError(
            "--format json is of a review: `antiphon trace ID --json` has all of a recovery"
        )
    if len(names) > _MOST:
        raise AntiphonError(
            f"{len(names)} recoveries are too many for one report, at most {_MOST}: "
            "`antiphon report --since 90d` reviews any number"
        )
    _check(output)
    if since is not None:
        text = asyncio.run(_reviewed(settings_from(url, cell), since, form))
    elif logs:
        text = _incidents(_from_logs(logs, names), form)
    else:
        text = _incidents(asyncio.run(_from_records(settings_from(url, cell), names)), form)
    _write(text, output)


def _check(output: str | None) -> None:
    """Refuse a place that cannot be written to before anything is worked out."""
    path = Path(output or ".").absolute()
    if output is not None and (path.is_dir() or not path.parent.is_dir()):
        why = "it is a folder" if path.is_dir() else "there is no such folder"
        raise AntiphonError(f"cannot write the report to {output!r}: {why}")


def _write(text: str, output: str | None) -> None:
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise AntiphonError(f"cannot write the report to {output!r}: {error.strerror}") from error


def _from_logs(logs: Sequence[str], names: Sequence[str]) -> list[Incident]:
    """Read log files; an argument that is a file is one of them, as when a shell expands `*`."""
    from antiphon.report.incident import Incident  # noqa: PLC0415  keep `--help` quick

    files = [*logs, *(name for name in names if Path(name).is_file())]
    ids = [name for name in names if name not in files]
    if not ids:
        raise AntiphonError(f"{', '.join(files)} are log files: name a recovery as well")
    if "-" in files and len(ids) > 1:
        raise AntiphonError("standard input can be read once: name one recovery, or give files")
    return [Incident(from_logs(files, name), None) for name in ids]


async def _from_records(settings: Settings, names: Sequence[str]) -> list[Incident]:
    from antiphon.broker.auditing import read_audit  # noqa: PLC0415  keep `--help` quick
    from antiphon.broker.connection import opened  # noqa: PLC0415
    from antiphon.broker.reading import RedisReading  # noqa: PLC0415
    from antiphon.cli.progress import progress  # noqa: PLC0415
    from antiphon.keys import Keys  # noqa: PLC0415
    from antiphon.records import Records  # noqa: PLC0415
    from antiphon.report.incident import Incident  # noqa: PLC0415

    keys, found = Keys(settings.cell), list[Incident]()
    async with opened(settings) as client:
        audit = await read_audit(client, keys)
        records = Records(RedisReading(client, keys))
        with progress("Reading records", len(names)) as step:
            for name in names:
                trace = await records.trace(name)
                check(settings, name, None if trace is None else trace.summary)
                if trace is not None:
                    found.append(Incident(trace, audit))
                step()
    return found


def _incidents(found: Sequence[Incident], form: _Format) -> str:
    from antiphon.report.incident import incident_report  # noqa: PLC0415  keep `--help` quick

    ordered = sorted(found, key=lambda it: it.trace.opened)
    return _as(incident_report(ordered, max(it.trace.as_of for it in found)), form)


async def _reviewed(settings: Settings, since: timedelta, form: _Format) -> str:
    from antiphon.broker.connection import opened  # noqa: PLC0415  keep `--help` quick
    from antiphon.broker.reviewing import reviewed  # noqa: PLC0415
    from antiphon.cli.progress import progress  # noqa: PLC0415
    from antiphon.report.quarter import review_document, review_json  # noqa: PLC0415

    async with opened(settings) as client:
        with progress("Counting recoveries") as step:
            review, sources = await reviewed(client, settings, since, step)
    if form == "json":
        return review_json(review, sources)
    return _as(review_document(review, sources), form)


def _as(document: Document, form: _Format) -> str:
    from antiphon.report.markdown import markdown  # noqa: PLC0415  keep `--help` quick
    from antiphon.report.page import page  # noqa: PLC0415

    return page(document) if form == "html" else markdown(document)

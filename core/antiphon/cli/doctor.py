"""``antiphon doctor``: what is wrong with a cell or its server, and what to do about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from
from antiphon.cli.output import console, print_json

if TYPE_CHECKING:
    from antiphon.doctor import Facts, Report
    from antiphon.settings import Settings


def doctor(*, json: JsonOption = False, url: UrlOption = None, cell: CellOption = None) -> None:
    """Examine the server, the handlers, the recoveries and the guards of a cell; changes nothing.

    Ends with status 1 when something is lost or held up until somebody acts.
    """
    from antiphon.doctor import Grade, Report  # noqa: PLC0415  keep `--help` quick

    report = Report.on(asyncio.run(_facts(settings_from(url, cell))))
    if json:
        print_json(report.to_dict())
    else:
        _draw(report)
    if report.grade is Grade.PROBLEM:
        raise typer.Exit(1)


async def _facts(settings: Settings) -> Facts:
    from antiphon.broker.errand import Errand  # noqa: PLC0415  as above
    from antiphon.broker.examination import examine  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await examine(errand)


def _draw(report: Report) -> None:
    from rich.table import Table  # noqa: PLC0415  as above
    from rich.text import Text  # noqa: PLC0415

    from antiphon.doctor import GUARD_SETTINGS, Grade, limits  # noqa: PLC0415
    from antiphon.trace.words import plain  # noqa: PLC0415

    colours = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.PROBLEM: "bold red"}
    rows = Table(box=None, pad_edge=False, show_header=False)
    for finding in report.findings:
        says = plain(finding.says) + (f"\n→ {plain(finding.remedy)}" if finding.remedy else "")
        rows.add_row(
            Text(finding.grade.value, colours[finding.grade]),
            Text(plain(finding.about)),
            Text(says),
        )
    facts, screen = report.facts, console()
    screen.print(Text(f"The cell {facts.cell} at {plain(facts.server.url)}\n"))
    screen.print(rows)
    screen.print(Text("\nGuards by the settings of this command:"))
    guards = Table(box=None, pad_edge=False, show_header=False)
    for name, says in limits(facts.settings):
        guards.add_row(Text(plain(name)), Text(plain(says)))
    screen.print(guards)
    given = {
        name: value
        for name, value in facts.settings.items()
        if value is not None and name not in GUARD_SETTINGS
    }
    settings = ", ".join(f"{name} {value}" for name, value in given.items())
    screen.print(Text(f"\nIts other settings: {plain(settings)}"))
    problems, warnings = report.count(Grade.PROBLEM), report.count(Grade.WARNING)
    screen.print(Text(f"Problems: {problems}, warnings: {warnings}."))

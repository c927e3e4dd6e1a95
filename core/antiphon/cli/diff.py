"""``antiphon diff``: two recoveries side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from
from antiphon.cli.output import console, print_json, table
from antiphon.cli.sources import from_logs, from_record

if TYPE_CHECKING:
    from antiphon.trace.difference import Difference, Pair


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="The correlation id of one recovery.")],
    second: Annotated[str, typer.Argument(metavar="B", help="That of the one to compare with it.")],
    *,
    logs: Annotated[
        list[str] | None,
        typer.Option(
            "--logs",
            metavar="FILE",
            help="Use these JSON log lines instead of the records; both must be in them. "
            "Repeatable.",
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Show the steps that are alike as well.")
    ] = False,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Compare two recoveries step by step: what is in one only, outcomes, attempts and times.

    Ends with status 1 when they differ in a verdict, a step or an outcome, 2 when one is unknown.
    """
    from antiphon.trace.difference import compare  # noqa: PLC0415  keep `--help` quick

    if logs:
        a, b = from_logs(logs, first), from_logs(logs, second)
    else:
        a, b = asyncio.run(from_record(settings_from(url, cell), first, second))
    found = compare(a, b)
    if json:
        print_json(found.to_dict())
    else:
        _draw(found, all_=all_)
    if found.differs:
        raise typer.Exit(1)


def _draw(found: Difference, *, all_: bool) -> None:
    from antiphon.trace.words import plain  # noqa: PLC0415  as above

    for line in found.headlines():
        typer.echo(plain(line))
    alike = sum(not pair.remarks for pair in found.pairs)
    shown = [pair for pair in found.pairs if all_ or pair.remarks]
    if shown:
        typer.echo()
        _steps(shown)
    if alike and not all_:
        typer.echo(f"\n{alike} {'step is' if alike == 1 else 'steps are'} alike (--all)")


def _steps(shown: list[Pair]) -> None:
    from rich.text import Text  # noqa: PLC0415  as above

    from antiphon.trace.words import plain  # noqa: PLC0415

    listed = table("step", "A", "B", "difference", wrapped="difference")
    for pair in shown:
        first, second = _sides(pair)
        listed.add_row(Text(plain(pair.name)), first, second, Text("; ".join(pair.remarks)))
    console().print(listed)


def _sides(pair: Pair) -> Iterator[str]:
    from antiphon.trace.words import spell  # noqa: PLC0415  as above

    for step, took, critical in zip((pair.a, pair.b), pair.took, pair.critical, strict=True):
        if step is None or took is None:
            yield ""
            continue
        tries = f" {len(step.attempts)}x" if len(step.attempts) > 1 else ""
        worked = f" {spell(took)}" if step.attempts else ""
        yield f"{step.outcome.value}{worked}{tries}{' *' if critical else ''}"

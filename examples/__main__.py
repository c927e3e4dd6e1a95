"""Run the examples from the repository root: ``python -m examples [MODEL]...``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from antiphon import AntiphonError, Settings
from antiphon.telemetry.logging import configure
from antiphon.testing import Unmet
from antiphon.trace.picture import Picture
from antiphon.trace.words import spell
from examples.approver import NAME, THINKS_SECONDS
from examples.incident import Damage
from examples.models import MODELS
from examples.runner import Run, run

COLUMNS = 100
"""The width of output that goes to a file."""


def examples(
    models: Annotated[
        list[str] | None,
        typer.Argument(help=f"Some of {', '.join(MODELS)}; all in turn unless given."),
    ] = None,
    *,
    damage: Annotated[Damage, typer.Option(help="What breaks.")] = Damage.DATABASE,
    deny: Annotated[bool, typer.Option("--deny", help="Let whoever is asked say no.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Take turns; the table has medians.")] = 1,
) -> None:
    """Break a small shop of real processes, and recover it in one of five ways, or in all.

    Without ANTIPHON_REDIS_URL it starts a server of its own, in memory.
    """
    for name in models or ():
        if name not in MODELS:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(MODELS)}")
    configure("console", "error")
    console = Console() if Console().is_terminal else Console(width=COLUMNS)
    answer = "denies" if deny else "agrees"
    console.print(
        f"What breaks: the {damage}. Who is asked: {NAME}, played by this program, who {answer} "
        f"{THINKS_SECONDS:g} s after each question, the same in every model.\n",
        highlight=False,
    )
    runs: dict[str, list[Run]] = {name: [] for name in models or MODELS}
    try:
        # In turns, so that a slow spell of the machine hits all alike.
        for _ in range(rounds):
            for name, before in runs.items():
                before.append(
                    asyncio.run(run(name, url=Settings().redis_url, damage=damage, grant=not deny))
                )
                _tell(console, before[-1])
    except (AntiphonError, Unmet) as error:
        typer.echo(f"examples: {error}", err=True)
        raise typer.Exit(1) from None
    if len(runs) > 1 or rounds > 1:
        _compare(console, list(runs.values()), rounds)
    every = chain.from_iterable(runs.values())
    raise typer.Exit(0 if all(one.trace.verdict == "completed" for one in every) else 1)


def _tell(console: Console, done: Run) -> None:
    console.rule(done.model)
    for trace in done.traces:
        console.print(Picture(trace))
        console.print()
    asked = ", ".join(done.answered) or "nothing"
    console.print(f"{NAME} was asked about: {asked}", highlight=False)
    if done.sale is not None:
        console.print(
            f"The shop sells again: order {done.sale.placed} is placed, and the one before it "
            f"was found in the {done.sale.found_in}.",
            highlight=False,
        )
    console.print(f"{done.model}: {spell(done.total)} from failure to verdict\n", highlight=False)


def _compare(console: Console, runs: Sequence[Sequence[Run]], rounds: int) -> None:
    """Print what was measured, side by side."""
    times = "one run each" if rounds == 1 else f"medians of {rounds} runs each"
    table = Table(title=f"Measured on {os.cpu_count()} cores: {times}", title_justify="left")
    table.add_column("model")
    for heading in ("total", "for a person", "the rest", "sum of steps", "critical path"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for same in runs:
        measured = (
            [one.total for one in same],
            [one.asking for one in same],
            [one.rest for one in same],
            [one.sum_of_steps for one in same],
            [one.critical_path for one in same],
        )
        verdicts = dict.fromkeys(one.trace.verdict or "" for one in same)
        table.add_row(
            same[0].model, *(spell(_median(lengths)) for lengths in measured), ", ".join(verdicts)
        )
    console.print(table)


def _median(lengths: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=median(length.total_seconds() for length in lengths))


if __name__ == "__main__":
    typer.run(examples)

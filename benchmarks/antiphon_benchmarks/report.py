"""The report a person reads."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from antiphon_benchmarks.contenders.contender import Name
from antiphon_benchmarks.results import Results

#: Details printed under a table, the largest ones.
DETAILS = 6


def print_facts(console: Console, facts: Mapping[str, str]) -> None:
    """Print named facts on one line."""
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), highlight=False)


def print_results(console: Console, results: Results) -> None:
    """Print medians with their spread, then details, then ratios."""
    count = len(next(iter(results.rounds.values())))
    table = Table(
        title=f"{results.scenario.name}, {results.durability.name.lower()} server",
        caption=f"{results.scenario.about}; medians of {count}, smallest to largest in brackets",
    )
    table.add_column("contender")
    for metric in results.scenario.metrics:
        table.add_column(metric.title, justify="right")
    for name in results.rounds:
        table.add_row(name, *_cells(results, name))
    console.print(table)
    for name in results.rounds:
        if details := list(results.details(name).items())[:DETAILS]:
            listed = ", ".join(f"{key} {value:,.2f}" for key, value in details)
            console.print(f"  {name}: {listed}", highlight=False)
    for other, ratios in results.ratios().items():
        listed = ", ".join(
            f"{metric.title} x{ratios[metric.key]:.2f} ({metric.better} is better)"
            for metric in results.scenario.metrics
        )
        console.print(f"  {results.base} over {other}: {listed}", highlight=False)


def _cells(results: Results, name: Name) -> list[str]:
    cells = []
    for metric in results.scenario.metrics:
        values = [round_[metric.key] for round_ in results.rounds[name]]
        middle = f"{results.median(name, metric.key):,.{metric.digits}f}"
        spread = f" [{min(values):,.{metric.digits}f} to {max(values):,.{metric.digits}f}]"
        cells.append(middle + spread if len(values) > 1 else middle)
    return cells

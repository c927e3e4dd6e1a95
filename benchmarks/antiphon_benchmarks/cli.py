"""The command line of the benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from antiphon_benchmarks.contenders.contender import OBSERVED, RIVALS, Name
from antiphon_benchmarks.machine import machine_facts, package_versions
from antiphon_benchmarks.report import print_facts, print_results
from antiphon_benchmarks.run import measure
from antiphon_benchmarks.scenarios.chain import Chain
from antiphon_benchmarks.scenarios.console import Console as ConsolePage
from antiphon_benchmarks.scenarios.flat import Flat
from antiphon_benchmarks.scenarios.hop import Hop
from antiphon_benchmarks.scenarios.idle import Idle
from antiphon_benchmarks.scenarios.latency import Latency
from antiphon_benchmarks.scenarios.scenario import Scenario
from antiphon_benchmarks.scenarios.size import Size
from antiphon_benchmarks.scenarios.telemetry import Telemetry
from antiphon_benchmarks.scenarios.trace import Tracing
from antiphon_benchmarks.server import Durability

#: The width of a report that goes to a file.
COLUMNS = 120


class What(StrEnum):
    """The scenarios."""

    HOP = "hop"
    LATENCY = "latency"
    CHAIN = "chain"
    IDLE = "idle"
    FLAT = "flat"
    SIZE = "size"
    TELEMETRY = "telemetry"
    TRACE = "trace"
    CONSOLE = "console"


class Server(StrEnum):
    """The kinds of server."""

    MEMORY = "memory"
    EVERYSEC = "everysec"
    ALWAYS = "always"


DEFAULTS: Mapping[What, Sequence[Name]] = {
    What.SIZE: [Name.ANTIPHON],
    What.CONSOLE: [Name.ANTIPHON],
    What.TELEMETRY: OBSERVED,
    What.TRACE: [Name.ANTIPHON],
}


def bench(
    what: Annotated[list[What] | None, typer.Argument(help="Scenarios; hop unless given.")] = None,
    *,
    contender: Annotated[
        list[Name] | None, typer.Option(help="Repeatable; Antiphon and its rivals unless given.")
    ] = None,
    server: Annotated[
        list[Server] | None, typer.Option(help="Repeatable; memory unless given.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    events: Annotated[int, typer.Option(min=1, help="hop: waiting failures.")] = 20_000,
    samples: Annotated[int, typer.Option(min=2, help="latency: failures, one at a time.")] = 1_000,
    recoveries: Annotated[int, typer.Option(min=1, help="chain: recoveries of five hops.")] = 200,
    handlers: Annotated[int, typer.Option(min=1, help="idle: handlers.")] = 50,
    seconds: Annotated[float, typer.Option(min=1, help="idle: how long to watch.")] = 20,
    finished: Annotated[int, typer.Option(min=1, help="flat: recoveries in between.")] = 200_000,
    steps: Annotated[int, typer.Option(min=100, help="size: events of one recovery.")] = 10_000,
    branches: Annotated[int, typer.Option(min=100, help="size: branches of one join.")] = 1_000,
    others: Annotated[
        int, typer.Option(min=0, help="trace: ledger entries of other recoveries.")
    ] = 1_000_000,
    listed: Annotated[int, typer.Option(min=2, max=1000, help="console: recoveries.")] = 1_000,
    json: Annotated[Path | None, typer.Option(help="Write every number to this file.")] = None,
) -> None:
    """Measure Antiphon beside plain FastStream and a hand-written loop."""
    scenarios: dict[What, Sequence[Scenario]] = {
        What.HOP: [Hop(events)],
        What.LATENCY: [Latency(samples)],
        What.CHAIN: [Chain(recoveries)],
        What.IDLE: [Idle(handlers, seconds)],
        What.FLAT: [Flat(finished)],
        What.SIZE: [Size("long", steps), Size("wide", branches)],
        What.TELEMETRY: [Telemetry(events)],
        What.TRACE: [Tracing(steps, others)],
        What.CONSOLE: [ConsolePage(listed, 50)],
    }
    console, progress = _console(), Console(stderr=True)
    machine, versions = machine_facts(), package_versions()
    print_facts(console, machine)
    print_facts(console, versions)
    results = [
        measure(
            scenario,
            Durability[kind.name],
            contender or DEFAULTS.get(name, RIVALS),
            rounds=rounds,
            report=progress.print,
        )
        for name in what or [What.HOP]
        for scenario in scenarios[name]
        for kind in server or [Server.MEMORY]
    ]
    for result in results:
        print_results(console, result)
    if json is not None:
        facts = {"machine": machine, "versions": versions, "rounds": rounds}
        everything = facts | {"results": [result.as_json() for result in results]}
        json.write_bytes(orjson.dumps(everything, option=orjson.OPT_INDENT_2))


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=COLUMNS)


def main() -> None:
    """Run the command line."""
    typer.run(bench)

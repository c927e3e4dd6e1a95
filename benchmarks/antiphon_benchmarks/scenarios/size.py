"""Size: what an event costs at the beginning of a large recovery, and at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from antiphon_benchmarks.backlog import declare, fill
from antiphon_benchmarks.plan import Plan, large
from antiphon_benchmarks.progress import wait_until
from antiphon_benchmarks.reading import Reading
from antiphon_benchmarks.scenarios.scenario import Metric
from antiphon_benchmarks.site import Site
from antiphon_benchmarks.worker import Worker

#: Seconds between looks.
LOOK = 0.005
#: The probe's own commands: they are not counted.
OURS = ("info", "xinfo|groups")


@dataclass(frozen=True, slots=True)
class Mark:
    """A look at a run that is under way."""

    settled: int
    clocks: Reading
    commands: Counter[str]


@dataclass(frozen=True, slots=True)
class Size:
    """Whether an event costs the same, however many were before it."""

    kind: Literal["long", "wide"]
    size: int
    metrics = (
        Metric("first_commands", "commands/event, first", "lower", 2),
        Metric("last_commands", "last", "lower", 2),
        Metric("first_server_us", "server µs/event, first", "lower", 1),
        Metric("last_server_us", "last", "lower", 1),
        Metric("first_worker_us", "worker µs/event, first", "lower", 1),
        Metric("last_worker_us", "last", "lower", 1),
    )

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return f"size ({self.kind})"

    @property
    def about(self) -> str:
        """What was measured."""
        what = "events" if self.kind == "long" else "branches of one join"
        return f"one recovery of {self.size:,} {what}: the first {self._window:,} beside the last"

    def measure(self, site: Site) -> Mapping[str, float]:
        """Carry out one recovery, and look at it four times meanwhile."""
        plan = large(self.kind, self.size)
        declare(site, plan)
        fill(site, plan, 1)
        early, window = self.size // 100, self._window
        with site.worker(plan) as worker:
            worker.go()
            marks = [
                _mark(site, worker, plan, at)
                for at in (early, early + window, self.size - early - window, self.size - early)
            ]
            wait_until(
                lambda: site.probe.settled(site.contender.stream(plan.last)) >= self.size,
                worker=worker,
                every=LOOK,
            )
        return _cost("first", *marks[:2]) | _cost("last", *marks[2:])

    @property
    def _window(self) -> int:
        return self.size // (10 if self.kind == "long" else 4)


def _mark(site: Site, worker: Worker, plan: Plan, at: int) -> Mark:
    key, probe = site.contender.stream(plan.last), site.probe
    wait_until(lambda: probe.settled(key) >= at, worker=worker, every=LOOK)
    commands = Counter(probe.commands())
    for name in OURS:
        del commands[name]
    return Mark(probe.settled(key), Reading.take(site, worker), commands)


def _cost(when: str, begin: Mark, end: Mark) -> dict[str, float]:
    events, clocks = end.settled - begin.settled, end.clocks - begin.clocks
    commands = end.commands - begin.commands
    return {
        f"{when}_commands": commands.total() / events,
        f"{when}_server_us": clocks.server / events * 1e6,
        f"{when}_worker_us": clocks.worker / events * 1e6,
    } | {f"{when} {name}": calls / events for name, calls in commands.items()}

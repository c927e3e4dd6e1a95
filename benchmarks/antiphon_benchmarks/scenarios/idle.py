"""Idleness: many handlers with nothing to do, and what that costs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from antiphon_benchmarks.plan import idle
from antiphon_benchmarks.progress import wait_until
from antiphon_benchmarks.reading import Reading
from antiphon_benchmarks.scenarios.scenario import Metric
from antiphon_benchmarks.site import Site

#: Seconds for a worker to settle before it is watched.
SETTLE = 3.0
#: Commands of the probe that fall between its two looks at the total.
PROBE_COMMANDS = 3


@dataclass(frozen=True, slots=True)
class Idle:
    """What a worker and its server do while nothing happens."""

    handlers: int
    seconds: float
    name = "idle"
    metrics = (
        Metric("worker_cpu_percent", "worker CPU %", "lower", 2),
        Metric("server_cpu_percent", "server CPU %", "lower", 2),
        Metric("commands_per_s", "commands/s", "lower", 1),
    )

    @property
    def about(self) -> str:
        """What was measured."""
        return (
            f"{self.handlers} idle handlers in one worker process, watched for {self.seconds:g} s"
        )

    def measure(self, site: Site) -> Mapping[str, float]:
        """Watch one worker do nothing; details count each command, also inside scripts."""
        plan = idle(self.handlers)
        key = site.contender.stream(plan.first)
        probe = site.probe
        with site.worker(plan) as worker:
            worker.go()
            wait_until(lambda: probe.groups(key) >= plan.handlers, worker=worker, every=0.01)
            time.sleep(SETTLE)
            commands = Counter(probe.commands())
            sent = probe.processed()
            begun = Reading.take(site, worker)
            time.sleep(self.seconds)
            cost = Reading.take(site, worker) - begun
            sent = probe.processed() - sent - PROBE_COMMANDS
            commands = Counter(probe.commands()) - commands
            worker.check()
        del commands["info"]
        return {
            "worker_cpu_percent": cost.worker / cost.wall * 100,
            "server_cpu_percent": cost.server / cost.wall * 100,
            "commands_per_s": sent / cost.wall,
        } | {f"{name}_per_s": calls / cost.wall for name, calls in commands.most_common()}

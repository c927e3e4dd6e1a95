"""Throughput: one handler, one worker, a backlog of single-hop recoveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from antiphon_benchmarks.backlog import declare, drain, fill
from antiphon_benchmarks.plan import HOP
from antiphon_benchmarks.scenarios.scenario import Metric
from antiphon_benchmarks.site import Site


@dataclass(frozen=True, slots=True)
class Hop:
    """How many waiting failures a worker answers in a second."""

    events: int
    name = "hop"
    metrics = (
        Metric("hops_per_s", "hops/s", "higher"),
        Metric("worker_us", "worker µs/hop", "lower", 1),
        Metric("server_us", "server µs/hop", "lower", 1),
    )

    @property
    def about(self) -> str:
        """What was measured."""
        return f"{self.events:,} waiting failures of 300 bytes, one handler, one worker process"

    def measure(self, site: Site) -> Mapping[str, float]:
        """Fill, then drain, once."""
        declare(site, HOP)
        fill(site, HOP, self.events)
        drained = drain(site, HOP, self.events)
        return {metric.key: getattr(drained, metric.key) for metric in self.metrics}

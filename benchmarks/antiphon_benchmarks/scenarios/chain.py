"""A long recovery: five handlers, each reacting to the completion of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from antiphon_benchmarks.backlog import declare, drain, fill
from antiphon_benchmarks.plan import CHAIN
from antiphon_benchmarks.scenarios.scenario import Metric
from antiphon_benchmarks.site import Site


@dataclass(frozen=True, slots=True)
class Chain:
    """How long a worker takes to carry a crowd of recoveries through every hop."""

    recoveries: int
    name = "chain"
    metrics = (
        Metric("hops_per_s", "hops/s", "higher"),
        Metric("total_ms", "total ms", "lower"),
        Metric("worker_us", "worker µs/hop", "lower", 1),
        Metric("server_us", "server µs/hop", "lower", 1),
    )

    @property
    def about(self) -> str:
        """What was measured."""
        return (
            f"{self.recoveries:,} waiting recoveries of {len(CHAIN.links)} hops, one worker process"
        )

    def measure(self, site: Site) -> Mapping[str, float]:
        """Fill, then drain, once."""
        declare(site, CHAIN)
        fill(site, CHAIN, self.recoveries)
        drained = drain(site, CHAIN, self.recoveries)
        return {
            "hops_per_s": drained.hops_per_s,
            "total_ms": drained.cost.wall * 1e3,
            "worker_us": drained.worker_us,
            "server_us": drained.server_us,
        }

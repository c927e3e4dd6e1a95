"""History: what a hop costs before and after many recoveries have finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from antiphon_benchmarks.backlog import Drained, declare, drain, fill
from antiphon_benchmarks.plan import HOP
from antiphon_benchmarks.scenarios.scenario import Metric
from antiphon_benchmarks.site import Site

#: Measurements before, and after; their medians are compared.
REPEATS = 3
#: Failures in one measurement, and in one step of the history.
STEP = 5_000
HISTORY_STEP = 20_000


@dataclass(frozen=True, slots=True)
class Flat:
    """Whether a hop costs the same with a long history behind it."""

    finished: int
    name = "flat"
    metrics = (
        Metric("before_per_s", "hops/s", "higher"),
        Metric("after_per_s", "after", "higher"),
        Metric("before_worker_us", "worker µs/hop", "lower", 1),
        Metric("after_worker_us", "after", "lower", 1),
        Metric("before_server_us", "server µs/hop", "lower", 1),
        Metric("after_server_us", "after", "lower", 1),
        Metric("bytes_per_recovery", "bytes/recovery", "lower"),
    )

    @property
    def about(self) -> str:
        """What was measured."""
        return (
            f"a hop before and after {self.finished:,} finished recoveries, "
            f"medians of {REPEATS} x {STEP:,}"
        )

    def measure(self, site: Site) -> Mapping[str, float]:
        """Measure, make the history by really recovering, and measure again."""
        declare(site, HOP)
        before = _measure(site)
        memory = site.probe.used_memory()
        for start in range(0, self.finished, HISTORY_STEP):
            count = min(HISTORY_STEP, self.finished - start)
            fill(site, HOP, count)
            drain(site, HOP, count)
        grown = site.probe.used_memory() - memory
        after = _measure(site)
        return (
            _named("before", before)
            | _named("after", after)
            | {"bytes_per_recovery": grown / self.finished}
        )


def _measure(site: Site) -> list[Drained]:
    drained = []
    for _ in range(REPEATS):
        fill(site, HOP, STEP)
        drained.append(drain(site, HOP, STEP))
    return drained


def _named(when: str, drained: list[Drained]) -> dict[str, float]:
    return {
        f"{when}_per_s": median(one.hops_per_s for one in drained),
        f"{when}_worker_us": median(one.worker_us for one in drained),
        f"{when}_server_us": median(one.server_us for one in drained),
    }

"""A run: every contender in turn, round after round, each on a fresh server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from antiphon_benchmarks.contenders.contender import Name
from antiphon_benchmarks.cores import Cores, pinned
from antiphon_benchmarks.results import Results
from antiphon_benchmarks.scenarios.scenario import Scenario
from antiphon_benchmarks.server import Durability
from antiphon_benchmarks.site import open_site


def measure(
    scenario: Scenario,
    durability: Durability,
    contenders: Sequence[Name],
    *,
    rounds: int,
    report: Callable[[str], None],
) -> Results:
    """Measure A, B, C, A, B, C, so that what changes on the machine hits them all alike."""
    cores = Cores.available()
    results = Results(scenario, durability)
    for number in range(1, rounds + 1):
        for name in contenders:
            report(f"{scenario.name}, {durability.name.lower()}: round {number}/{rounds}, {name}")
            with open_site(name, durability, cores) as site, pinned(cores.driver):
                results.add(name, scenario.measure(site))
    return results

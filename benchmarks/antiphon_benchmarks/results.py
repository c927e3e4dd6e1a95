"""The results of a scenario: every number of every round, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import median

from antiphon_benchmarks.contenders.contender import Name
from antiphon_benchmarks.scenarios.scenario import Scenario
from antiphon_benchmarks.server import Durability

Rounds = Sequence[Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Results:
    """What a scenario measured on one kind of server, round by round.

    Attributes:
        rounds: The values of each contender, in the order they were measured.
    """

    scenario: Scenario
    durability: Durability
    rounds: dict[Name, list[Mapping[str, float]]] = field(default_factory=dict)

    @property
    def base(self) -> Name:
        """The contender that the others are set beside: Antiphon, all telemetry on if it runs."""
        ours = Name.ANTIPHON_ALL_TELEMETRY
        return ours if ours in self.rounds else Name.ANTIPHON

    def add(self, name: Name, values: Mapping[str, float]) -> None:
        """Keep the values of one round."""
        self.rounds.setdefault(name, []).append(values)

    def median(self, name: Name, key: str) -> float:
        """Return the median over the rounds; 0 for a detail that no round saw."""
        return median(values.get(key, 0.0) for values in self.rounds[name])

    def details(self, name: Name) -> dict[str, float]:
        """Return the medians of what has no column, largest first."""
        columns = {metric.key for metric in self.scenario.metrics}
        keys = {key for values in self.rounds[name] for key in values} - columns
        medians = {key: self.median(name, key) for key in keys}
        return dict(sorted(medians.items(), key=lambda item: -item[1]))

    def ratios(self) -> dict[str, dict[str, float]]:
        """Return, for each contender beside the base, every metric of the base over its own.

        A ratio is the median of the ratios within each round, so that a slow spell of
        the machine, which hits both, does not show. Empty when the base did not run.
        """
        ours = self.rounds.get(self.base, [])
        return {
            other.value: {
                metric.key: _ratio(ours, theirs, metric.key) for metric in self.scenario.metrics
            }
            for other, theirs in self.rounds.items()
            if ours and other is not self.base
        }

    def as_json(self) -> dict[str, object]:
        """Return everything, plain."""
        return {
            "scenario": self.scenario.name,
            "about": self.scenario.about,
            "server": self.durability.name.lower(),
            "rounds": {name.value: list(rounds) for name, rounds in self.rounds.items()},
            "medians": {
                name.value: {
                    metric.key: self.median(name, metric.key) for metric in self.scenario.metrics
                }
                | self.details(name)
                for name in self.rounds
            },
            "base": self.base.value,
            "base_over": self.ratios(),
        }


def _ratio(ours: Rounds, theirs: Rounds, key: str) -> float:
    pairs = zip(ours, theirs, strict=True)
    return median(one[key] / other[key] if other[key] else inf for one, other in pairs)

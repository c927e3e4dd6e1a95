"""A scenario: something to measure on a fresh site, as named numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from antiphon_benchmarks.site import Site


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a scenario.

    Attributes:
        key: Its name in the results.
        title: Its column, with the unit.
        better: Which end of the scale to be at.
        digits: Decimals worth printing.
    """

    key: str
    title: str
    better: Literal["higher", "lower"]
    digits: int = 0


class Scenario(Protocol):
    """Something to measure."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def about(self) -> str:
        """One line for the reader of the results, with the sizes used."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The columns of its table, the one to compare by first."""

    def measure(self, site: Site) -> Mapping[str, float]:
        """Measure the site's contender once; keys without a metric are details."""

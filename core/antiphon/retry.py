"""When to try again: a pure policy, computed once per failure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from antiphon.duration import duration
from antiphon.errors import ConfigurationError


@dataclass(frozen=True, slots=True, init=False)
class Retry:
    """Exponential backoff with full jitter.

    Attempt *n* that failed is followed, after a delay drawn uniformly from
    0 to ``min(longest, first * 2 ** (n - 1))``, by attempt *n* + 1.
    Source: AWS Architecture Blog, *Exponential Backoff and Jitter*.
    """

    attempts: int
    """How often the step is tried in all, the first try included."""
    first: timedelta
    """The ceiling of the first delay."""
    longest: timedelta
    """The ceiling no delay exceeds."""

    def __init__(
        self,
        attempts: int = 5,
        *,
        first: str | timedelta = "1s",
        longest: str | timedelta = "1m",
    ) -> None:
        if attempts < 1:
            raise ConfigurationError(f"attempts={attempts}: a step is tried at least once")
        object.__setattr__(self, "attempts", attempts)
        object.__setattr__(self, "first", duration(first))
        object.__setattr__(self, "longest", duration(longest))
        if self.first > self.longest:
            raise ConfigurationError(
                f"first={self.first} is longer than longest={self.longest}: swap them"
            )

    @property
    def longest_wait(self) -> timedelta:
        """The most that all its delays together can be."""
        ceilings = (
            min(self.longest, self.first * int(2 ** min(failures - 1, 40)))
            for failures in range(1, self.attempts)
        )
        return sum(ceilings, timedelta())

    def delay(self, failures: int, chance: random.Random) -> timedelta:
        """The delay after so many failed attempts, 1 or more."""
        ceiling = min(self.longest, self.first * int(2 ** min(failures - 1, 40)))
        return ceiling * chance.random()

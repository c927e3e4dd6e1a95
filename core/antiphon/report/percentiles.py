"""Percentiles by nearest rank: always a length that was measured, never one reckoned between two.

Of n lengths the p-th percentile is the one at place ceil(p / 100 * n) from the shortest, counted
from 1. So the 95th of fewer than twenty is the longest.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from datetime import timedelta

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(slots=True)
class Lengths:
    """Lengths of time, eight bytes each."""

    _milliseconds: array[int] = field(default_factory=lambda: array("q"))
    _sorted: bool = True

    def __len__(self) -> int:
        return len(self._milliseconds)

    def add(self, length: timedelta) -> None:
        """Take in one more."""
        self._milliseconds.append(length // _MILLISECOND)
        self._sorted = False

    def percentile(self, p: int) -> timedelta | None:
        """Return the p-th percentile; None of no lengths.

        Args:
            p: From 1 to 100; 100 is the longest.
        """
        if not self._milliseconds:
            return None
        if not self._sorted:
            self._milliseconds = array("q", sorted(self._milliseconds))
            self._sorted = True
        rank = max(-(-p * len(self._milliseconds) // 100), 1)
        return self._milliseconds[rank - 1] * _MILLISECOND

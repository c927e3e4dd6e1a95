"""Series that `prometheus_client` has not: times that give exemplars now and then."""

from __future__ import annotations

import time
from bisect import bisect_left

from prometheus_client import Histogram

_LONGEST_EXEMPLAR = 128
"""Characters of names and values together, by OpenMetrics."""

_EXEMPLAR_EVERY_S = 0.1
"""An exemplar costs three times what observing does."""


class Timing:
    """One series of a histogram, and when each of its buckets was last given an exemplar."""

    def __init__(self, histogram: Histogram, buckets: tuple[float, ...]) -> None:
        self._histogram = histogram
        self._buckets = buckets
        self._exemplified = [0.0] * (len(buckets) + 1)

    def observe(self, seconds: float, correlation_id: str) -> None:
        """Observe a time; a bucket keeps one exemplar, and needs no new one at every turn."""
        now, place = time.monotonic(), bisect_left(self._buckets, seconds)
        if now - self._exemplified[place] < _EXEMPLAR_EVERY_S:
            self._histogram.observe(seconds)
            return
        self._exemplified[place] = now
        self._histogram.observe(seconds, exemplar(correlation_id))


def exemplar(correlation_id: str) -> dict[str, str] | None:
    """The recovery as an exemplar; None when its name does not fit into one."""
    fits = len(correlation_id) + len("correlation_id") <= _LONGEST_EXEMPLAR
    return {"correlation_id": correlation_id} if fits and correlation_id.isprintable() else None

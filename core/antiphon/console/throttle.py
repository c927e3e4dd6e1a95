"""How often somebody may be wrong."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

_MOST_ADDRESSES = 1024


class Throttle:
    """Counts failures by address within a window that slides.

    A token cannot be guessed. This keeps those who try from filling the log.
    """

    def __init__(
        self,
        limit: int = 10,
        per: timedelta = timedelta(minutes=1),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._per = per.total_seconds()
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}

    def wait_s(self, address: str) -> float:
        """How long an address has to wait before it may try, seconds; 0 when it need not."""
        failures = self._recent(address)
        return failures[0] + self._per - self._clock() if len(failures) >= self._limit else 0

    def failed(self, address: str) -> None:
        """Note that an address was wrong."""
        failures = self._recent(address)
        failures.append(self._clock())
        self._failures.pop(address, None)
        while len(self._failures) >= _MOST_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = failures

    def _recent(self, address: str) -> deque[float]:
        failures = self._failures.get(address, deque())
        while failures and failures[0] <= self._clock() - self._per:
            failures.popleft()
        return failures

"""Circuit breakers: one state shared by all replicas, spoken of in pybreaker's words.

The state is in Redis, and one script makes each transition. What is here is the face of it: the
limits, which errors count, and who is told. pybreaker is fed with what has already been decided; it
never runs a handler's code, and nothing is awaited inside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal

import pybreaker

from antiphon.duration import duration
from antiphon.errors import ConfigurationError, Held, PermanentError

Ended = Literal["success", "failure", "cancelled"]
"""How a guarded call ended; a cancelled one says nothing about its target."""

Exclusion = type[BaseException] | Callable[[Any], bool]


class CircuitOpen(Held, pybreaker.CircuitBreakerError):
    """The circuit is open: the call was not made."""


class Breaker:
    """When to stop calling a target that fails, and when to try it again.

    Closed, calls go out; after `fail_max` failures in a row it opens and none does; after
    `reset_timeout` it is half-open, and exactly one call of all replicas goes out as a probe.
    So many probes that succeed in a row as `success_threshold` says close it; one that fails opens
    it again.
    Source: Nygard, *Release It!*, chapter 5; names and defaults as in pybreaker.

    Raises:
        ConfigurationError: a value makes no sense.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        fail_max: int = 5,
        reset_timeout: str | timedelta = "1m",
        success_threshold: int = 1,
        exclude: Iterable[Exclusion] = (),
        listeners: Sequence[pybreaker.CircuitBreakerListener] = (),
        on_open: Literal["defer", "escalate"] = "defer",
    ) -> None:
        """Describe a breaker.

        Args:
            name: what fails; breakers of one name are one. A handler's may be a format over the
                event's fields, such as ``"db:{subject}"``; the handler's group unless given.
            fail_max: failures in a row that open it.
            reset_timeout: how long it stays open before a probe.
            success_threshold: successful probes that close it.
            exclude: errors that are answers of a healthy target: classes, or functions of the
                error. A `PermanentError` counts neither way.
            listeners: told of successes, failures and changes seen by this process.
            on_open: hold a delivery until a probe may go, or give it up and tell people.
        """
        if fail_max < 1 or success_threshold < 1:
            raise ConfigurationError(
                f"fail_max={fail_max}, success_threshold={success_threshold}: both begin at 1"
            )
        if on_open not in {"defer", "escalate"}:
            raise ConfigurationError(f"on_open={on_open!r} is neither 'defer' nor 'escalate'")
        self.name = name
        self.fail_max = fail_max
        self.reset_timeout = duration(reset_timeout)
        self.success_threshold = success_threshold
        self.on_open = on_open
        self._exclude = tuple(exclude)
        self._listeners = tuple(listeners)
        self._circuits: dict[str, pybreaker.CircuitBreaker] = {}

    def ended(self, error: BaseException | None) -> Ended:
        """Say what a call's end means for its target."""
        if error is None:
            return "success"
        if isinstance(error, asyncio.CancelledError | GeneratorExit | PermanentError | Held):
            return "cancelled"
        return "failure" if self._circuit(self.name or "").is_system_error(error) else "success"

    def tell(
        self, name: str, change: str, ended: Ended, error: BaseException | None = None
    ) -> None:
        """Tell the listeners how a call ended, and of a change such as ``closed>open``."""
        circuit = self._circuit(name)
        for listener in circuit.listeners:
            if ended == "success":
                listener.success(circuit)
            elif ended == "failure" and error is not None:
                listener.failure(circuit, error)
        for state in change.split(">") if change else ():
            if circuit.current_state != state:
                _MOVES[state](circuit)

    def _circuit(self, name: str) -> pybreaker.CircuitBreaker:
        if name not in self._circuits:
            self._circuits[name] = pybreaker.CircuitBreaker(
                fail_max=self.fail_max,
                reset_timeout=self.reset_timeout.total_seconds(),
                success_threshold=self.success_threshold,
                exclude=self._exclude,
                listeners=self._listeners,
                name=name,
            )
        return self._circuits[name]


_MOVES: dict[str, Callable[[pybreaker.CircuitBreaker], object]] = {
    pybreaker.STATE_CLOSED: pybreaker.CircuitBreaker.close,
    pybreaker.STATE_HALF_OPEN: pybreaker.CircuitBreaker.half_open,
    pybreaker.STATE_OPEN: pybreaker.CircuitBreaker.open,
}

"""The face of a breaker: which ends count, and who is told."""

from __future__ import annotations

import asyncio

import pybreaker
import pytest

from antiphon import Breaker, CircuitOpen, PermanentError
from antiphon.errors import Held


class Listener(pybreaker.CircuitBreakerListener):
    def __init__(self) -> None:
        self.heard: list[tuple[str, ...]] = []

    def success(self, cb: pybreaker.CircuitBreaker) -> None:
        self.heard.append((cb.name or "", "success"))

    def failure(self, cb: pybreaker.CircuitBreaker, exc: BaseException) -> None:
        self.heard.append((cb.name or "", "failure", str(exc)))

    def state_change(
        self, cb: pybreaker.CircuitBreaker, old_state: object, new_state: object
    ) -> None:
        self.heard.append((cb.name or "", old_state.name, new_state.name))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (None, "success"),
        (ConnectionError(), "failure"),
        (KeyError(), "success"),
        (OSError(404), "success"),
        (OSError(500), "failure"),
        (PermanentError(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
        (Held(), "cancelled"),
    ],
)
def test_an_end_says_something_of_the_target_or_nothing(
    error: BaseException | None, ended: str
) -> None:
    """Excluded errors are answers; cancellations and permanent errors say nothing of the target."""
    breaker = Breaker(
        "db", exclude=[KeyError, lambda e: isinstance(e, OSError) and e.args == (404,)]
    )
    assert breaker.ended(error) == ended


def test_listeners_hear_what_the_server_decided() -> None:
    """Listeners of pybreaker work as they are, with states that follow the shared one."""
    listener = Listener()
    breaker = Breaker("db", listeners=[listener])
    breaker.tell("db", "", "success")
    breaker.tell("db", "", "cancelled", asyncio.CancelledError())
    breaker.tell("db", "closed>open", "failure", ConnectionError("gone"))
    breaker.tell("db", "half-open>closed", "success")
    assert listener.heard == [
        ("db", "success"),
        ("db", "failure", "gone"),
        ("db", "closed", "open"),
        ("db", "success"),
        ("db", "open", "half-open"),
        ("db", "half-open", "closed"),
    ]


def test_an_open_circuit_is_an_error_of_pybreaker() -> None:
    """Code that knows pybreaker catches it by the name it knows."""
    assert issubclass(CircuitOpen, pybreaker.CircuitBreakerError)

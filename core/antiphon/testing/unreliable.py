"""Failures at random, before an effect or after it: what retries must make harmless.

Source: the RandomFail of Watermill.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Literal

from antiphon.errors import ConfigurationError, TransientError
from antiphon.flow.join import Joined
from antiphon.handler import Handler
from antiphon.recovery import current
from antiphon.service import Service
from antiphon.testing.around import Calls, Given, around
from antiphon.testing.twin import Twin
from antiphon_events import Event

Fate = Literal["before", "after"]
"""When a run fails, as seen from its effect."""


def unreliable(service: Service, *, chance: float = 0.3, seed: int | None = None) -> Service:
    """Return the service with handlers that fail at random, with a `TransientError`.

    Half of the failures come before the handler's function is called, half after it has returned.
    The last attempt that the handler's `Retry` allows is spared, so that no delivery dies of these
    failures alone; a handler that is tried once only never fails.

    The same seed makes the same failures for the same events, in whatever order handlers run:
    each handler has a row of them for each type and subject it reacts to.

    Args:
        service: stays untouched.
        chance: how likely a run fails, from 0 to 1.
        seed: where chance begins; another each time unless given. It is part of each error.

    Raises:
        ConfigurationError: the chance is not from 0 to 1.
    """
    if not 0 <= chance <= 1:
        raise ConfigurationError(f"chance={chance!r} is not from 0.0 to 1.0")
    dice = _Dice(chance, random.randrange(2**32) if seed is None else seed)  # noqa: S311  no secret

    def failing(handler: Handler) -> Handler:
        return around(handler, lambda one: lambda given: _run(one, given, dice))

    return Twin(service, change=failing)


class _Dice:
    """Decides what becomes of each run."""

    def __init__(self, chance: float, seed: int) -> None:
        self.seed = seed
        self._chance = chance
        self._rows: dict[str, random.Random] = {}

    def throw(self, row: str) -> Fate | None:
        """The next fate in a row; None when the run does not fail."""
        dice = self._rows.setdefault(row, random.Random(f"{self.seed} {row}"))  # noqa: S311  no secret
        fails, late = dice.random() < self._chance, dice.random() < 0.5  # noqa: PLR2004  one of two
        return ("after" if late else "before") if fails else None


def _run(handler: Handler, given: Given, dice: _Dice) -> Calls:
    fate, delivery = dice.throw(_row(handler, given)), current.get()
    if delivery is not None and delivery.attempt >= handler.retry.attempts:
        fate = None
    if fate == "before":
        raise _failure(fate, dice)
    result = yield given
    if fate == "after":
        raise _failure(fate, dice)
    return result


def _row(handler: Handler, given: Given) -> str:
    argument: Event | Joined = given[handler.signature.event]
    events: Iterable[Event] = argument if isinstance(argument, Joined) else [argument]
    name = handler.function.__name__
    undo = [] if name == handler.name else [name]
    return " ".join((handler.group, *undo, *(f"{event.type}:{event.subject}" for event in events)))


def _failure(fate: Fate, dice: _Dice) -> TransientError:
    return TransientError(f"made to fail {fate} its effect (unreliable, seed={dice.seed})")

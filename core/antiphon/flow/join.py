"""Joins: one reaction to several events of the same recovery, in whatever order they arrive.

A join is durable: each branch is kept in the recovery's record when it arrives, so neither a
restart nor a late deployment loses it, and the join fires once.
"""

from __future__ import annotations

import reprlib
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from antiphon.errors import ConfigurationError
from antiphon_events import Event, Selector
from antiphon_events.attribute import shown

E = TypeVar("E", bound=Event)
Choice = type[Event] | Selector
Losers = Literal["ignore", "cancel"]

_MOST = 3_000
"""The most branches of a join: the script that completes it hands all of them out at once."""


def selector(choice: Choice) -> Selector:
    """A selector as it is, or the selector of every event of a type.

    Raises:
        ConfigurationError: it is neither, such as a union of types, a name, or an event itself.
        TypeError: it is a base of events.
    """
    if isinstance(choice, Selector):
        return choice
    if isinstance(choice, type) and issubclass(choice, Event):
        return Selector(choice)
    raise ConfigurationError(_misunderstood(choice))


def _misunderstood(choice: Any) -> str:
    """Say why something selects no events, and what would."""
    if isinstance(choice, Join):
        return "a join is made of types of events and selectors, not of a join"
    if typing.get_origin(choice) in {typing.Union, types.UnionType}:
        given = [getattr(it, "__name__", str(it)) for it in typing.get_args(choice)]
        names = [name for name in given if name != "NoneType"]
        return (
            f"{' | '.join(given)} is a union, not a type of event: give the types one by one, "
            f"service.on({', '.join(names)})"
        )
    if isinstance(choice, Event):
        name = type(choice).__name__
        return f"one event of {name} about {choice.subject!r} selects none: give its type, {name}"
    value = shown(choice) if isinstance(choice, str) else " ".join(reprlib.repr(choice).split())
    return (
        f"{value} is neither a type of event nor a selector: give a class of events such as "
        "ServiceFailed, or ServiceFailed.about(…)"
    )


@dataclass(frozen=True, slots=True)
class Join:
    """Which events a handler waits for, and how many of them it needs."""

    needed: int
    branches: tuple[Selector, ...]
    losers: Losers = "ignore"
    """What becomes of steps that would only bring a branch which is not needed any more."""

    def __post_init__(self) -> None:
        names = [branch_name(branch) for branch in self.branches]
        if len(names) > _MOST:
            raise ConfigurationError(
                f"a join of {len(names):,} branches: {_MOST:,} are the most; join in two steps"
            )
        if len(set(names)) != len(names):
            raise ConfigurationError(
                f"two branches of a join are the same: {sorted(names)}; tell them apart by subject"
            )
        if self.losers not in ("ignore", "cancel"):
            raise ConfigurationError(f"losers={self.losers!r}: use 'ignore' or 'cancel'")
        if not 1 <= self.needed <= len(names):
            raise ConfigurationError(
                f"a join of {len(names)} branches cannot need {self.needed} of them"
            )


class Joined:
    """The events that completed a join.

    `joined[CacheWarmed]` is the one event of that type; iterate for all of them.
    """

    __slots__ = ("_events",)

    def __init__(self, events: tuple[Event, ...]) -> None:
        self._events = events

    def __getitem__(self, kind: type[E]) -> E:
        """The one event of a type.

        Raises:
            LookupError: no such event arrived, or more than one did (then use `of`).
        """
        found = self.of(kind)
        if len(found) != 1:
            raise LookupError(f"the join holds {len(found)} events of type {kind.type!r}, not one")
        return found[0]

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)

    @property
    def winner(self) -> Event:
        """The one event that arrived first, of a join that needs one.

        Raises:
            LookupError: the join holds more than one event.
        """
        if len(self._events) != 1:
            raise LookupError(f"the join holds {len(self._events)} events, and none of them won")
        return self._events[0]

    def of(self, kind: type[E]) -> tuple[E, ...]:
        """Every event of a type, in the order of their branches."""
        return tuple(event for event in self._events if isinstance(event, kind))


def all_of(*choices: Choice) -> Join:
    """React once every one of these events has arrived in a recovery."""
    return Join(len(choices), tuple(selector(c) for c in choices))


def any_of(*choices: Choice, losers: Losers = "ignore") -> Join:
    """React once, to the first of these events that arrives in a recovery: `Joined.winner`.

    The steps that would bring the others go on, and what they bring is ignored; with
    ``losers="cancel"`` those of them that have not begun another attempt do not begin it.
    """
    return Join(1, tuple(selector(c) for c in choices), losers)


def n_of(needed: int, *choices: Choice, losers: Losers = "ignore") -> Join:
    """React once `needed` of these events have arrived in a recovery; for `losers` see `any_of`."""
    return Join(needed, tuple(selector(c) for c in choices), losers)


def branch_name(branch: Selector) -> str:
    """A name that stays the same when branches are reordered in the code."""
    return f"{branch.event.type}@{','.join(sorted(branch.subjects)) or '*'}"

"""The promise: what a handler's return annotation says it publishes."""

from __future__ import annotations

import itertools
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Union

from antiphon.choreography.fact import Fact, fact_of
from antiphon_events import Event

_UNIONS = {Union, types.UnionType}
_NOTHING = (None, type(None))
_NEVER = (typing.NoReturn, typing.Never)
_MOST_ALTERNATIVES = 64


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the ways in which a function may end: what it then publishes, all of it together."""

    facts: tuple[Fact, ...] = ()
    vague: bool = False
    """It may publish others, and does not say which."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a function may return; the subject of each event is unknown."""

    alternatives: tuple[Alternative, ...]
    """The members of its union, in the order written; None is one that publishes nothing."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The events it may return."""
        return tuple(dict.fromkeys(fact for one in self.alternatives for fact in one.facts))

    @property
    def vague(self) -> bool:
        """Whether it may return others, and does not say which."""
        return any(one.vague for one in self.alternatives)


def read_promise(function: Callable[..., Any]) -> Promise:
    """Read what a function promises by its annotation.

    One that is missing, cannot be resolved, or names a base of events, promises nothing in
    particular. A list promises all it may hold, together; None that nothing follows.
    """
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # something callable that is no function, such as a partial
        hints = {}
    read = _alternatives(hints["return"]) if "return" in hints else [Alternative(vague=True)]
    return Promise(tuple(dict.fromkeys(read)))


def _alternatives(hint: object) -> list[Alternative]:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _alternatives(parts[0])
    if origin in _UNIONS:
        return [one for part in parts for one in _alternatives(part)]
    if origin is list or (origin is tuple and Ellipsis in parts):
        return [_together(_alternatives(parts[0]))]
    if origin is tuple:
        return _each_with_each([_alternatives(part) for part in parts])
    return _single(hint)


def _single(hint: object) -> list[Alternative]:
    if any(hint is never for never in _NEVER):
        return []
    if any(hint is nothing for nothing in _NOTHING):
        return [Alternative()]
    if isinstance(hint, type) and issubclass(hint, Event) and hasattr(hint, "type"):
        return [Alternative((fact_of(hint),))]
    return [Alternative(vague=True)]


def _each_with_each(members: list[list[Alternative]]) -> list[Alternative]:
    """Every choice of one alternative for each member of a tuple."""
    choices = list(itertools.islice(itertools.product(*members), _MOST_ALTERNATIVES + 1))
    if len(choices) > _MOST_ALTERNATIVES:
        return [_together(itertools.chain(*members))]
    return [_together(choice) for choice in choices]


def _together(alternatives: Iterable[Alternative]) -> Alternative:
    known = list(alternatives)
    facts = dict.fromkeys(fact for one in known for fact in one.facts)
    return Alternative(tuple(facts), vague=any(one.vague for one in known))

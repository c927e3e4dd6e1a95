"""The promise: what a handler's return annotation says it publishes."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Union

from antiphon.choreography.fact import Fact, Kind
from antiphon_events import Event

_GROUPS = {Union, types.UnionType, list, tuple, typing.Annotated}
_NOTHING = (None, type(None), Ellipsis, typing.NoReturn, typing.Never)


@dataclass(frozen=True, slots=True)
class Promise:
    """The events a handler may complete with; the subject of each is unknown."""

    facts: tuple[Fact, ...]
    vague: bool
    """It may publish others, and does not say which."""


def read_promise(function: Callable[..., Any], completions: tuple[type[Event], ...]) -> Promise:
    """Read what a handler's function promises.

    An annotation that is missing, or that names a base of events, promises nothing in particular.

    Args:
        function: the handler's.
        completions: the event classes its annotation names.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    facts = dict.fromkeys(Fact(event.type, Kind.of(event)) for event in completions)
    return Promise(tuple(facts), vague="return" not in hints or _is_vague(hints["return"]))


def _is_vague(hint: object) -> bool:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _is_vague(parts[0])
    if origin in _GROUPS:
        return any(map(_is_vague, parts))
    if any(hint is nothing for nothing in _NOTHING):
        return False
    return not (isinstance(hint, type) and issubclass(hint, Event) and hasattr(hint, "type"))

"""A handler: one reaction of one service, as read from its function's signature."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from operator import itemgetter
from typing import Any, Union

from antiphon.errors import ConfigurationError
from antiphon.flow.course import Course
from antiphon.flow.join import Join
from antiphon.guards.policy import Guards
from antiphon.recovery import Recovery
from antiphon.retry import Retry
from antiphon_events import Event, Selector

Key = str | Callable[[Any], str]
"""The idempotency key of an effect: a format string over the event's fields, or a function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """Everything known about a handler before it runs."""

    service: str
    name: str
    function: Callable[..., Any]
    selectors: tuple[Selector, ...]
    join: Join | None
    retry: Retry
    timeout: timedelta | None
    key: Key | None
    concurrency: int | None
    signature: Signature
    guards: Guards = field(default_factory=Guards)
    course: Course = field(default_factory=Course)
    group: str = field(init=False)
    """The consumer group, one per handler."""
    kinds: dict[str, type[Event]] = field(init=False)
    """The event class of each type it reads."""
    _about: _About = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "group", f"{self.service}.{self.name}")
        object.__setattr__(self, "kinds", {s.event.type: s.event for s in self.selectors})
        object.__setattr__(self, "_about", _About(self.selectors))

    def may_want(self, subject: str) -> bool:
        """Whether an event about this subject may be for it; needs no decoded event."""
        return bool(self._about[subject])

    def select(self, event: Event) -> Selector | None:
        """The first of its selectors that the event matches."""
        for selector in self._about[event.subject]:
            if selector.matches(event):
                return selector
        return None

    @property
    def location(self) -> str:
        """Where its code is: file and line."""
        code = inspect.unwrap(self.function).__code__
        return f"{code.co_filename}:{code.co_firstlineno}"

    def effect(self, event: Event, event_id: str) -> str:
        """The idempotency key of reacting to this event.

        Raises:
            ConfigurationError: the key's format names a field the event has not.
        """
        if self.key is None:
            return event_id
        if callable(self.key):
            return self.key(event)
        return self._named("key", self.key, event, event_id)

    def resource(self, event: Event, event_id: str) -> str:
        """The resource it holds while it reacts to this event; empty when it holds none.

        Raises:
            ConfigurationError: the format names a field the event has not.
        """
        pattern = self.guards.exclusive
        return self._named("exclusive", pattern, event, event_id) if pattern else ""

    def circuit(self, event: Event, event_id: str) -> str:
        """The name of the breaker it passes for this event; empty without one.

        Raises:
            ConfigurationError: the format names a field the event has not.
        """
        breaker = self.guards.breaker
        if breaker is None:
            return ""
        return self._named("breaker", breaker.name or self.group, event, event_id)

    def _named(self, what: str, pattern: str, event: Event, event_id: str) -> str:
        if "{" not in pattern:
            return pattern
        try:
            return pattern.format(**{**dict(event), "subject": event.subject, "id": event_id})
        except (KeyError, IndexError) as error:
            raise ConfigurationError(
                f"{self.group}: {what} {pattern!r} names {error}, which {event.type} has not"
            ) from error


class _About:
    """A handler's selectors by subject: with a thousand branches, few are about any one."""

    def __init__(self, selectors: tuple[Selector, ...]) -> None:
        self._any = tuple(s for s in selectors if not s.subjects)
        narrow = [(place, s) for place, s in enumerate(selectors) if s.subjects]
        broad = [(place, s) for place, s in enumerate(selectors) if not s.subjects]
        found: dict[str, list[tuple[int, Selector]]] = {}
        for one in narrow:
            for subject in one[1].subjects:
                found.setdefault(subject, [*broad]).append(one)
        self._known = {
            subject: tuple(s for _, s in sorted(places, key=itemgetter(0)))
            for subject, places in found.items()
        }

    def __getitem__(self, subject: str) -> tuple[Selector, ...]:
        """Those that may select an event about this subject, in the order of the handler."""
        return self._known.get(subject, self._any)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes and gives."""

    event: str
    """The name of the parameter that takes the event."""
    recovery: str | None
    """The name of the parameter that takes the recovery, if any."""
    injected: tuple[str, ...]
    """The parameters FastStream fills in."""
    completions: tuple[type[Event], ...]
    """The event types it can return, in the order written."""
    is_async: bool


def read_signature(function: Callable[..., Any]) -> Signature:
    """Read a handler's parameters and completions from its annotations.

    Raises:
        ConfigurationError: it takes no event, or its annotations cannot be resolved.
    """
    where = f"{function.__module__}.{function.__qualname__}"
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"{where}: {error}: annotations must name things its module imports"
        ) from error
    parameters = inspect.signature(function).parameters
    recovery = next((name for name in parameters if hints.get(name) is Recovery), None)
    others = [name for name in parameters if name != recovery]
    injected = tuple(name for name in others if _is_injected(parameters[name], hints.get(name)))
    takes = [name for name in others if name not in injected]
    if not takes:
        raise ConfigurationError(f"{where}: a handler takes the event as its first parameter")
    if len(takes) > 1:
        raise ConfigurationError(
            f"{where}: {', '.join(takes[1:])} can be filled by nobody: a handler takes the event, "
            "the Recovery, and what Depends or Context provide"
        )
    return Signature(
        event=takes[0],
        recovery=recovery,
        injected=injected,
        completions=tuple(dict.fromkeys(_events_in(hints.get("return")))),
        is_async=inspect.iscoroutinefunction(inspect.unwrap(function)),
    )


def _is_injected(parameter: inspect.Parameter, hint: object) -> bool:
    return parameter.default is not inspect.Parameter.empty or (
        typing.get_origin(hint) is typing.Annotated
    )


def _events_in(hint: object) -> Iterable[type[Event]]:
    if isinstance(hint, type) and issubclass(hint, Event):
        if hasattr(hint, "type"):  # a base of events promises none in particular
            yield hint
    elif typing.get_origin(hint) in {Union, types.UnionType, list, tuple, typing.Annotated}:
        for part in typing.get_args(hint):
            yield from _events_in(part)

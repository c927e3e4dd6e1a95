"""Goals: which event the recoveries from a failure are for. They are checked, and never run."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

from antiphon.errors import ConfigurationError
from antiphon.flow.join import Choice, Join, selector
from antiphon_events import Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Every way from a failure should reach a completion; ``antiphon check`` holds it to that."""

    service: str
    """Who declares it."""
    failure: Selector
    completion: Selector
    location: str
    """Where it is declared: file and line."""

    @classmethod
    def of(cls, service: str, failure: Choice | Join, completion: Choice | Join) -> Goal:
        """A goal as the caller of the caller declares it.

        Raises:
            ConfigurationError: it is a join, or begins where it ends.
        """
        if isinstance(failure, Join) or isinstance(completion, Join):
            raise ConfigurationError("a goal leads from one event to one event, not to a join")
        first, last = selector(failure), selector(completion)
        if first.event.type == last.event.type:
            raise ConfigurationError(
                f"a goal leads from one type of event to another, and both are {first.event.type}"
            )
        return cls(service=service, failure=first, completion=last, location=_whence())


def _whence() -> str:
    frame = inspect.currentframe()
    for _ in range(3):  # this function, `of`, and the method that calls it
        frame = frame.f_back if frame else None
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else ":0"

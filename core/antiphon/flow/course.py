"""The course of a step: what it waits for, and what follows when it does not end well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from antiphon.flow.approval import Approval
from antiphon_events import Event, Failure

OnFailure = type[Failure] | Callable[[Any, str], Event]
"""What a step publishes when it is given up: a failure's class, or a function of the event it
reacted to and the error, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What one handler declares beside its function and its guards."""

    within: timedelta | None = None
    """How long its join waits after the first branch; None for ever."""
    approval: Approval | None = None
    on_failure: OnFailure | None = None
    undo: Callable[..., Any] | None = None
    """Takes back what the function did: called like it."""

    def failure(self, event: Event, error: str) -> Event | None:
        """What is published when the step is given up; None when nothing was declared.

        Raises:
            TypeError: the function declared for it returned something else.
        """
        if self.on_failure is None:
            return None
        if isinstance(self.on_failure, type):
            failure: Failure = self.on_failure(subject=event.subject, reason=error)
            return failure
        made = self.on_failure(event, error)
        if not isinstance(made, Event):
            raise TypeError(f"on_failure returned {made!r}, which is not an Event")
        return made

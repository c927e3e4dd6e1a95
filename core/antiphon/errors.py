"""Errors as decisions: an exception's class says what happens next, not what went wrong inside.

Each class's docstring is its default message.
"""

from __future__ import annotations

import inspect
from datetime import timedelta


class AntiphonError(Exception):
    """Antiphon failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))


class TransientError(AntiphonError):
    """The step failed and may succeed later: try again.

    Raise it from a handler to ask for another attempt.
    ``retry_after`` overrides the delay the retry policy would have drawn.
    """

    def __init__(self, message: str | None = None, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StreamUnavailable(TransientError):
    """The Redis server cannot be reached."""


class PermanentError(AntiphonError):
    """The step failed and no later attempt can succeed: dead-letter it now."""


class UndecodableEvent(PermanentError):
    """The entry is not an event this handler can read."""


class RecoveryExhausted(PermanentError):
    """Every attempt failed."""


class Superseded(AntiphonError):
    """Somebody else owns this delivery now: stop, touch nothing."""


class LeaseLost(Superseded):
    """The lease on this delivery was lost; its commit is refused."""


class Held(AntiphonError):
    """A guard holds this step: it is tried again later, and no attempt is spent."""

    def __init__(
        self,
        message: str | None = None,
        *,
        guard: str = "handler",
        name: str = "",
        limit: int = 0,
        value: int = 0,
        retry_after: timedelta = timedelta(seconds=30),
    ) -> None:
        super().__init__(message)
        self.guard = guard
        self.name = name
        self.limit = limit
        self.value = value
        self.retry_after = retry_after


class ConfigurationError(AntiphonError):
    """The configuration is wrong: refuse to start."""


class ServerNotFound(ConfigurationError):
    """No Redis-protocol server was given, found or installed."""

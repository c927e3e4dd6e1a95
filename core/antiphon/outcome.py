"""What a delivery ended as. A handler's result or error becomes one of these, in one place."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from antiphon.errors import Held, PermanentError, Superseded, TransientError
from antiphon.guards.breaker import Breaker, Ended
from antiphon.retry import Retry
from antiphon_events import Event

_MOST_CRASHES = 5


@dataclass(frozen=True, slots=True)
class Done:
    """The step succeeded; its events are published in the commit."""

    events: tuple[Event, ...] = ()
    later: tuple[tuple[Event, timedelta], ...] = ()
    """Events to be published so long after the commit."""
    children: tuple[tuple[str, Event], ...] = ()
    """Recoveries to be started: the id and the first event of each."""
    branches: Mapping[str, bytes] = field(default_factory=dict)
    """What completed the handler's join, as the join kept it."""


@dataclass(frozen=True, slots=True)
class Retrying:
    """The step failed and is tried again after `delay`."""

    delay: timedelta
    error: str
    ended: Ended = "failure"
    """What the failure means for the handler's breaker."""
    cause: BaseException | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Dead:
    """The step failed for good; its entry becomes a dead letter."""

    error: str
    ended: Ended = "cancelled"
    """What the failure means for the handler's breaker."""
    cause: BaseException | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Deferred:
    """A guard within the step said not now: it is tried again after `delay`, no attempt spent."""

    delay: timedelta
    error: str
    guard: str
    name: str
    limit: int
    value: int


@dataclass(frozen=True, slots=True)
class Released:
    """The worker stops; another may start the step at once, and no attempt is spent."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The lease was lost; whoever holds it now decides."""


Outcome = Done | Retrying | Dead | Deferred | Released | Abandoned


def judge(
    error: BaseException,
    *,
    failures: int,
    retry: Retry,
    chance: random.Random,
    breaker: Breaker | None = None,
) -> Outcome:
    """Decide what follows from an error.

    Args:
        error: what the handler raised. Unknown exceptions count as transient.
        failures: failed attempts before this one.
        retry: the handler's policy.
        chance: where jitter comes from.
        breaker: the handler's, which knows the errors that say nothing against its target.
    """
    text = describe(error)
    if isinstance(error, Superseded):
        return Abandoned()
    if isinstance(error, Held):
        return Deferred(error.retry_after, text, error.guard, error.name, error.limit, error.value)
    ended = breaker.ended(error) if breaker else "failure"
    if isinstance(error, PermanentError) or failures + 1 >= retry.attempts:
        return Dead(text, ended, error)
    asked = error.retry_after if isinstance(error, TransientError) else None
    return Retrying(
        retry.delay(failures + 1, chance) if asked is None else asked, text, ended, error
    )


def crashed_too_often(*, attempt: int, failures: int) -> bool:
    """Whether workers died under this delivery more often than chance explains.

    Every start that did not end as a failure ended with its worker.
    """
    return attempt - 1 - failures >= _MOST_CRASHES


def describe(error: BaseException) -> str:
    """An error in one line: its class and its message, cut to a length fit for a record."""
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - an error that cannot speak is still an error
        said = ""
    message = " ".join(writable(said).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text if len(text) <= 500 else text[:499] + "…"  # noqa: PLR2004


def writable(text: str) -> str:
    """Text as it can be kept and logged: a lone surrogate, as in odd file names, is spelled out."""
    return text.encode(errors="backslashreplace").decode()

"""The recovery a handler takes part in, as the handler sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from datetime import datetime, timedelta

from antiphon.duration import duration
from antiphon.errors import ConfigurationError
from antiphon.flow.join import Joined
from antiphon.guards.breaker import Breaker
from antiphon_events import Envelope, Event, uuid7

Reporter = Callable[[float, str], Awaitable[None]]

Guard = Callable[[Breaker, str], AbstractAsyncContextManager[None]]

current: ContextVar[Recovery | None] = ContextVar("antiphon_recovery", default=None)
"""The recovery whose delivery runs in this task, so that log lines and publishers find it."""


class Recovery:
    """One delivery's place in its recovery.

    Handed to a handler that asks for it by annotation.
    Correlation and causation of whatever is published through it are set by the framework.
    """

    __slots__ = (
        "_children", "_guard", "_later", "_published", "_reporter",
        "attempt", "deadline", "envelope", "log_fields", "token", "undoing",
    )  # fmt: skip

    def __init__(
        self,
        envelope: Envelope,
        *,
        attempt: int,
        token: int,
        deadline: datetime | None = None,
        reporter: Reporter | None = None,
        log_fields: dict[str, object] | None = None,
        guard: Guard | None = None,
        undoing: Joined | None = None,
    ) -> None:
        self.envelope = envelope
        self.attempt = attempt
        """Counts from 1 and includes the first try."""
        self.token = token
        """The fencing token: larger for every later attempt, on any worker.

        Give it to the target of the effect, and let the target refuse a smaller one.
        """
        self.deadline = deadline
        """The instant (UTC) at which this attempt is cancelled; None without a timeout."""
        self.log_fields = log_fields or {}
        self._reporter = reporter
        self._guard = guard
        self.undoing = undoing
        """What the step had published that is to be undone; None unless this undoes one."""
        self._published: list[Event] = []
        self._later: list[tuple[Event, timedelta]] = []
        self._children: list[tuple[str, Event]] = []

    @property
    def correlation_id(self) -> str:
        """The one id everything in this recovery shares."""
        return self.envelope.correlation_id

    @property
    def event_id(self) -> str:
        """The event being handled; the causation id of what the handler publishes."""
        return self.envelope.id

    @property
    def subject(self) -> str:
        """What the event is about."""
        return self.envelope.subject

    @property
    def published(self) -> tuple[Event, ...]:
        """What `publish` has added to the outcome so far."""
        return tuple(self._published)

    @property
    def later(self) -> tuple[tuple[Event, timedelta], ...]:
        """The events that `publish` has put off so far, and for how long after the commit."""
        return tuple(self._later)

    @property
    def children(self) -> tuple[tuple[str, Event], ...]:
        """The recoveries that `start` has added to the outcome so far."""
        return tuple(self._children)

    def publish(self, event: Event, *, after: str | timedelta | None = None) -> None:
        """Add an event to the outcome: it is published in the commit, or not at all.

        Args:
            event: what happened.
            after: publish it so long after the commit, such as ``"5m"``; the recovery stays open
                until then.
        """
        _check(event)
        if after is None:
            self._published.append(event)
        else:
            self._later.append((event, duration(after)))

    def start(self, event: Event) -> str:
        """Start a recovery of its own with an event, as a child of this one.

        It begins with the commit. This recovery stays open until the child is over, and is then
        told by `ChildClosed`, about the child's subject.

        Returns:
            The child's correlation id.
        """
        _check(event)
        child = uuid7()
        self._children.append((child, event))
        return child

    def breaker(self, breaker: str | Breaker) -> AbstractAsyncContextManager[None]:
        """Guard an outgoing call by a circuit breaker that all replicas share.

        Example: ``async with recovery.breaker("payments-api"): await client.post(...)``.
        What is raised within counts as a failure of the target, unless the breaker excludes it.
        While the circuit is open, `CircuitOpen` is raised instead of entering; left alone, it
        holds the delivery until a call may go, and no attempt is spent.

        Args:
            breaker: the target's name, for a breaker with the usual limits, or a `Breaker` with a
                name. ``{subject}`` in it stands for the event's subject.

        Raises:
            ConfigurationError: the breaker has no name, or no worker runs this delivery.
        """
        guarded = Breaker(breaker) if isinstance(breaker, str) else breaker
        if not guarded.name or self._guard is None:
            raise ConfigurationError("a breaker needs a name here, and a worker that runs the step")
        try:
            name = guarded.name.format(subject=self.subject)
        except (KeyError, IndexError) as error:
            raise ConfigurationError(
                f"breaker {guarded.name!r} names {error}; here only {{subject}} is known"
            ) from error
        return self._guard(guarded, name)

    async def progress(self, fraction: float, message: str = "") -> None:
        """Note in the record how far the step has come, from 0.0 to 1.0.

        Raises:
            ValueError: the fraction is not between 0 and 1.
            LeaseLost: somebody else holds the delivery now; stop.
        """
        if not 0 <= fraction <= 1:
            raise ValueError(f"progress {fraction!r} is not a fraction from 0.0 to 1.0")
        if self._reporter is not None:
            await self._reporter(fraction, message)


def _check(event: Event) -> None:
    if not isinstance(event, Event):
        raise TypeError(f"{event!r} is not an Event")

"""A service: its name, its handlers, and the application that hosts them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

from antiphon.broker.hosting import App, Broker, new_app, new_broker, subscribe
from antiphon.duration import duration
from antiphon.errors import ConfigurationError
from antiphon.flow.approval import Approval
from antiphon.flow.course import Course, OnFailure
from antiphon.flow.goal import Goal
from antiphon.flow.join import Choice, Join, selector
from antiphon.guards.breaker import Breaker
from antiphon.guards.policy import Guards
from antiphon.guards.quota import Budget, Quota, budget_of, quota
from antiphon.handler import Handler, Key, read_signature
from antiphon.keys import Keys
from antiphon.publisher import Publisher, Receipt
from antiphon.retry import Retry
from antiphon.settings import Settings
from antiphon.worker import Worker
from antiphon_events import Event, Selector

F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Service:
    """One service and its recovery handlers.

    Example:
        >>> from antiphon import Recovery, Service
        >>> from antiphon_events import ServiceFailed, ServiceRestarted
        >>> api = Service("orders-api")
        >>> @api.on(ServiceFailed.about("orders-api"))
        ... async def restart(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted:
        ...     return ServiceRestarted(subject=failed.subject)

    `rate` limits all its handlers together, such as ``"100/1m"``.

    Raises:
        ConfigurationError: the name is not fit for a consumer group, or the rate is no quota.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: Settings | None = None,
        broker: Broker | None = None,
        rate: Quota | str | None = None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"service {name!r} is not a name: use letters, digits, dashes and underscores"
            )
        self.name = name
        self._rate = quota(rate)
        self._given_settings = settings
        self._given_broker = broker
        self._handlers: dict[str, Handler] = {}
        self._goals: list[Goal] = []

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """Its handlers, in the order they were defined."""
        return tuple(self._handlers.values())

    @cached_property
    def settings(self) -> Settings:
        """The settings it runs with; read from the environment when first needed."""
        return self._given_settings or Settings()

    @cached_property
    def worker(self) -> Worker:
        """Runs the handlers while the broker is started."""
        return Worker(self.settings, self._goals)

    @cached_property
    def broker(self) -> Broker:
        """The FastStream broker whose subscribers the handlers are."""
        self._check_settings()
        broker = self._given_broker or new_broker(self.settings)
        for handler in self._handlers.values():
            subscribe(handler, self.worker, broker, Keys(self.settings.cell))
        return broker

    @cached_property
    def app(self) -> App:
        """The FastStream application; `faststream run module:service.app` runs it."""
        return new_app(self.broker, self.name, self.settings)

    def on(
        self,
        *choices: Choice | Join,
        retry: Retry | None = None,
        timeout: str | timedelta | None = "5m",
        key: Key | None = None,
        concurrency: int | None = None,
        budget: Budget | str | None = None,
        rate: Quota | str | None = None,
        breaker: Breaker | None = None,
        exclusive: bool | str = False,
        max_age: str | timedelta | None = None,
        max_visits: int | None = None,
        within: str | timedelta | None = None,
        approval: Approval | None = None,
        on_failure: OnFailure | None = None,
        undo: Callable[..., Any] | None = None,
    ) -> Callable[[F], F]:
        """React to events: the decorated function becomes a handler of this service.

        The function may be async, or sync and is then run in a thread.
        What it returns is published with the outcome: one event, a list of events, or None.

        Args:
            *choices: event types or selectors, any of which it reacts to; or one join.
            retry: when to try again; five attempts unless given.
            timeout: how long an attempt may take; None for ever.
            key: the idempotency key of the effect: a format string over the event's fields such
                as ``"{subject}:{incident}"``, or a function of the event. The event id unless
                given.
            concurrency: how many deliveries may run at once in one process.
            budget: how often it may be tried on one subject, by all who share the action:
                a `Budget`, or text such as ``"3/10m"``.
            rate: how often it may run in all, such as ``"30/1m"``.
            breaker: when to stop trying a target that fails.
            exclusive: hold the subject, or the resource a format such as ``"host:{subject}"``
                names, so that no other delivery that asks for it runs at the same time.
            max_age: the oldest failure it acts on; the setting unless given, ``"off"`` for any.
            max_visits: how often it may run for one subject in one recovery; the setting unless
                given.
            within: how long its join waits after the first branch, such as ``"10m"``; then
                `JoinTimedOut` is published. For ever unless given.
            approval: who must agree before it runs.
            on_failure: what is published when it is given up: a class of failures, or a function
                of the event and the error. Its handlers then decide the verdict.
            undo: takes back what the function did when the recovery is rolled back: a function
                called with the same event, and the `Recovery` if it asks for it.

        Raises:
            ConfigurationError: the function's signature, or a value given here, makes no sense.
        """
        join = choices[0] if len(choices) == 1 and isinstance(choices[0], Join) else None
        selectors = join.branches if join else _selectors(choices)
        guards = Guards(
            budget=budget_of(budget),
            rate=quota(rate),
            service_rate=self._rate,
            breaker=breaker,
            exclusive=("{subject}" if exclusive is True else exclusive) or None,
            max_age=_age(max_age),
            max_visits=_at_least_once(max_visits),
        )
        if within is not None and join is None:
            raise ConfigurationError("within= is how long a join waits, and this handler has none")
        if inspect.iscoroutinefunction(on_failure):
            raise ConfigurationError("on_failure= is a class of failures or a plain function")
        course = Course(
            within=duration(within) if within is not None else None,
            approval=approval,
            on_failure=on_failure,
            undo=undo,
        )

        def register(function: F) -> F:
            name = function.__name__
            if name in self._handlers:
                raise ConfigurationError(
                    f"{self.name} has a handler {name!r} already; a handler's name is its "
                    "consumer group, so give this one another"
                )
            handler = Handler(
                service=self.name,
                name=name,
                function=function,
                selectors=selectors,
                join=join,
                retry=retry or Retry(),
                timeout=duration(timeout) if timeout is not None else None,
                key=key,
                concurrency=concurrency,
                signature=read_signature(function),
                guards=guards,
                course=course,
            )
            _check_undo(handler)
            self._handlers[name] = handler
            if "broker" in self.__dict__:
                subscribe(handler, self.worker, self.broker, Keys(self.settings.cell))
            return function

        return register

    def _check_settings(self) -> None:
        """Refuse settings for a handler this service does not have."""
        for group in self.settings.handlers:
            service, _, name = group.partition(".")
            if service == self.name and name not in self._handlers:
                raise ConfigurationError(
                    f"handlers.{group} (ANTIPHON_HANDLERS): {self.name} has no handler {name!r}; "
                    f"it has: {', '.join(self._handlers) or 'none'}"
                )

    async def publish(self, event: Event) -> Receipt:
        """Publish an event in this service's name; see `Publisher.publish`."""
        async with Publisher(self.settings, source=self.name) as publisher:
            return await publisher.publish(event)

    async def start(self) -> None:
        """Start the handlers in this event loop."""
        await self.broker.start()

    async def stop(self) -> None:
        """Stop them: let deliveries finish within the drain limit, hand the rest back."""
        await self.broker.stop()

    def goal(self, failure: Choice, completion: Choice) -> None:
        """Declare what recoveries from a failure are for, so that ``antiphon check`` holds it.

        It changes nothing about how handlers run.

        Args:
            failure: the type or selector of the event that a recovery begins with.
            completion: that of the event which every way of it should reach.

        Raises:
            ConfigurationError: one of them is a join, or both are of the same type.
        """
        self._goals.append(Goal.of(self.name, failure, completion))

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What `goal` declared, in the order it was called."""
        return tuple(self._goals)


def _check_undo(handler: Handler) -> None:
    undo = handler.course.undo
    if undo is not None and read_signature(undo).injected:
        raise ConfigurationError(
            f"{handler.group}: undo={undo.__qualname__} takes the event and the Recovery, and "
            "nothing that is injected"
        )


def _age(value: str | timedelta | None) -> timedelta | None:
    """The oldest failure to act on; zero when any."""
    if value is None:
        return None
    try:
        return timedelta() if value == "off" else duration(value)
    except ValueError as error:
        raise ConfigurationError(f"max_age: {error}, or 'off' for any age") from error


def _at_least_once(visits: int | None) -> int | None:
    if visits is not None and visits < 1:
        raise ConfigurationError(f"max_visits={visits}: a handler runs at least once")
    return visits


def _selectors(choices: tuple[Choice | Join, ...]) -> tuple[Selector, ...]:
    if not choices:
        raise ConfigurationError("a handler reacts to at least one type of event")
    selectors = []
    for choice in choices:
        if isinstance(choice, Join):
            raise ConfigurationError("a handler has one join, and nothing beside it")
        selectors.append(selector(choice))
    return tuple(selectors)

"""A twin: a service with the handlers of another, to be run elsewhere or otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from antiphon.broker.hosting import Broker
from antiphon.broker.likeness import like
from antiphon.handler import Handler
from antiphon.service import Service
from antiphon.settings import Settings

Change = Callable[[Handler], Handler]


def _unchanged(handler: Handler) -> Handler:
    return handler


class Twin(Service):
    """A service that has, when it is made, the handlers and goals of an original, left untouched.

    Its broker is its own, and has no subscribers but the handlers; the middlewares, dependencies
    and context are those of the original's broker, if that has one by now.

    Args:
        original: whose handlers it has.
        settings: what it runs with; as the original unless given.
        change: makes each handler out of the original's.
    """

    def __init__(
        self, original: Service, *, settings: Settings | None = None, change: Change = _unchanged
    ) -> None:
        handlers = [change(handler) for handler in original.handlers]
        rate = handlers[0].guards.service_rate if handlers else None
        super().__init__(original.name, settings=settings, rate=rate)
        self._handlers = {handler.name: handler for handler in handlers}
        self._goals = [*original.goals]
        self._original = original

    @cached_property
    def settings(self) -> Settings:
        """The settings it was given, or those of the original."""
        return self._given_settings or self._original.settings

    @cached_property
    def broker(self) -> Broker:
        """A broker of its own."""
        self._given_broker = like(_broker_so_far(self._original), self.settings)
        return super().broker


def _broker_so_far(service: Service) -> Broker | None:
    """The broker a service was given or has made; asking `Service.broker` would make one."""
    broker = service._given_broker or vars(service).get("broker")  # noqa: SLF001  see above
    if broker is None and isinstance(service, Twin):
        return _broker_so_far(service._original)  # noqa: SLF001  one of our own
    return broker

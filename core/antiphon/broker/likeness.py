"""A broker that does for the handlers what another does, at another server."""

from __future__ import annotations

from typing import Any

from faststream.redis import RedisBroker

from antiphon.broker.hosting import Broker, new_broker
from antiphon.broker.server import resolve_url
from antiphon.settings import Settings


def like(other: Broker | None, settings: Settings) -> Broker:
    """A broker with the middlewares, dependencies and context of another, and no subscribers.

    Args:
        other: the broker it is to be like; any broker, when there is none.
        settings: where its server is.
    """
    if other is None:
        return new_broker(settings)
    silent: Any = None
    return RedisBroker(
        resolve_url(settings),
        logger=silent,
        middlewares=other.middlewares,
        dependencies=other.config.broker_dependencies,
        context=other.context,
        provider=other.provider,
    )

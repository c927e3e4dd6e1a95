"""Connections to Redis, opened the way Antiphon needs them.

redis-py retries blindly and gives a blocking read five seconds by default.
A retried write may have been written twice and a blocking read is meant to be silent,
so retries are ours (every script can be repeated) and time limits follow the command.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from antiphon.broker.server import resolve_url
from antiphon.errors import ConfigurationError
from antiphon.settings import Settings

_COMMAND_TIMEOUT = timedelta(seconds=5)
_LOOPBACK = {"localhost", "127.0.0.1", "::1", None}


def connect(settings: Settings, *, blocking: timedelta | None = None) -> Redis:
    """Open a client; it connects at its first command.

    Args:
        settings: where the server is, and what is allowed.
        blocking: how long the longest blocking read of this client may wait.

    Raises:
        ConfigurationError: the URL is not one of Redis, or its server is not on this machine and
            would be spoken to without TLS or password.
        ServerNotFound: no URL is given and no local server runs.
    """
    url = resolve_url(settings)
    _refuse_unsafe(url, insecure=settings.insecure)
    timeout = _COMMAND_TIMEOUT + (blocking or timedelta())
    return Redis.from_url(
        url,
        socket_timeout=timeout.total_seconds(),
        socket_connect_timeout=_COMMAND_TIMEOUT.total_seconds(),
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        protocol=2,
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Redis]:
    """A client for one piece of work, closed afterwards."""
    client = connect(settings)
    try:
        yield client
    finally:
        await client.aclose()


def _refuse_unsafe(url: str, *, insecure: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ConfigurationError(
            f"{parts.scheme!r} is not a Redis URL scheme: use redis://, rediss:// or unix://"
        )
    local = parts.scheme == "unix" or parts.hostname in _LOOPBACK
    if local or insecure or (parts.scheme == "rediss" and parts.password):
        return
    raise ConfigurationError(
        f"refusing to use {parts.hostname} without TLS and a password: anyone on the way could "
        "start recoveries. Use rediss://:password@host, or set ANTIPHON_INSECURE=1"
    )

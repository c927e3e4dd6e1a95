"""Round trips of many commands, over one of redis-py's connections but without its pipeline.

The pipeline packs commands in Python, arms a timer for every reply and looks its connection over
before each use, which together cost more than all of Antiphon's own work on a delivery.
Here hiredis packs, one timer guards the trip, and the connection stays.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, cast

import hiredis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Command = tuple[str | bytes | int, ...]

StreamReply = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]] | None
"""What a read of streams returns: for each stream its entries, each with its fields."""

_LIMIT_S = 5.0


class Wire:
    """One connection of a client, for one trip at a time."""

    def __init__(self, client: Redis) -> None:
        self._pool = client.connection_pool
        self._connection: AbstractConnection | None = None

    async def round_trip(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together and return their replies in order, error replies among them.

        Raises:
            redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError: whether the
                server executed any of the commands is unknown.
        """
        try:
            async with asyncio.timeout(_LIMIT_S):
                connection = self._connection
                if connection is None:
                    connection = self._connection = self._unhurried()
                    await connection.connect()  # type: ignore[no-untyped-call]
                packed = b"".join(
                    [hiredis.pack_command(cast("Any", command)) for command in commands]
                )
                await connection.send_packed_command(packed, check_health=False)
                return [await _reply(connection) for _ in commands]
        except BaseException as error:
            # Replies may still be on their way: the next trip must not read them as its own.
            await self.aclose()
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError(f"no reply within {_LIMIT_S:g} s") from error
            raise

    async def aclose(self) -> None:
        """Let go of the connection; the next trip makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _unhurried(self) -> AbstractConnection:
        # With a timeout of its own, redis-py sends from a task of its own on Python 3.11. That task
        # waits behind everything that is ready to run, and Redis idles in the meantime.
        options = {**self._pool.connection_kwargs, "socket_timeout": None}
        connection: AbstractConnection = self._pool.connection_class(**options)
        return connection


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        return error

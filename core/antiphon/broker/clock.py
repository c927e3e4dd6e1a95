"""The server's clock: every instant in a cell is of it."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis


async def now_ms(client: Redis) -> int:
    """Ask for the server's time, in Unix milliseconds."""
    return read_ms(await client.time())


def read_ms(reply: Any) -> int:
    """Read the reply of TIME, seconds and microseconds, as Unix milliseconds."""
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000

"""What makes a stream take no entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from scripted import HOUR_MS, ScriptedCell

HIGHEST_ID = "18446744073709551615-18446744073709551615"


async def no_stream(work: ScriptedCell, key: str) -> None:
    """Put something else where a stream belongs."""
    await work.client.delete(key)
    await work.client.set(key, "not a stream", px=HOUR_MS)


async def blocked(work: ScriptedCell, key: str) -> None:
    """Use up the ids of a stream, so that it takes no further entry."""
    await work.client.xadd(key, {"data": "{}"}, id=HIGHEST_ID)


Sabotage = Callable[[ScriptedCell, str], Awaitable[None]]
both_ways = pytest.mark.parametrize("sabotage", [no_stream, blocked], ids=lambda s: s.__name__)

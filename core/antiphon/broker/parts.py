"""What running handlers do, kept in the cell: their workers describe them, and anybody may read.

A description has the name `<group>|<digest>`, so that restarts write the same one again, and two
releases of a handler stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from antiphon.broker.clock import read_ms
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.gather import Gatherer
from antiphon.broker.scripts import Argument, Call, script
from antiphon.choreography.portable import Description
from antiphon.choreography.running import Gone, Running
from antiphon.duration import milliseconds
from antiphon.instants import instant
from antiphon.keys import Keys

KEPT = timedelta(days=1)
"""How long a description is kept that no worker answers for."""

MOST = 2000
"""Descriptions in a cell."""

LARGEST_BYTES = 32768
"""Of one description. A larger one is not kept, and its handler counts as not described."""


async def describe(
    gatherer: Gatherer, keys: Keys, parts: Mapping[str, bytes], valid: timedelta
) -> bool:
    """Answer for handlers at work, in one round trip.

    Args:
        gatherer: Runs the script.
        keys: Of the cell.
        parts: Descriptions by name; empty where the cell has it already.
        valid: For how long to answer.

    Returns:
        Whether the cell has a description by each of the names.
    """
    told = (word for pair in parts.items() for word in pair)
    args: tuple[Argument, ...] = (milliseconds(valid), milliseconds(KEPT), MOST, *told)
    return not await gatherer.run(Call(script("describe"), (keys.parts, keys.described), args))


def name_of(group: str, digest: str) -> str:
    """Name a description."""
    return f"{group}|{digest}"


async def running(errand: Errand) -> Running:
    """Read what runs now, in one round trip.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    keys = errand.keys
    with telling("reading what runs"):
        time, described, parts, workers, groups = await errand.ask(
            [
                ("TIME",),
                ("ZRANGE", keys.described, 0, -1, "WITHSCORES"),
                ("HGETALL", keys.parts),
                ("ZRANGE", keys.workers, 0, -1, "WITHSCORES"),
                ("HKEYS", keys.groups),
            ]
        )
    now_ms = read_ms(time)
    texts = dict(zip(parts[::2], parts[1::2], strict=True))
    until = dict(zip(described[::2], map(int, described[1::2]), strict=True))
    answered = dict(zip(workers[::2], map(int, workers[1::2]), strict=True))
    read = (_read(texts.get(name)) for name, ms in until.items() if ms > now_ms)
    registered = frozenset(groups)
    return Running.of(
        instant(now_ms),
        [one for one in read if one is not None],
        at_work=[name.decode() for name, ms in answered.items() if ms > now_ms],
        gone=[
            Gone(name.decode(), instant(ms))
            for name, ms in answered.items()
            if ms <= now_ms and name in registered
        ],
    )


def _read(text: bytes | None) -> Description | None:
    try:
        return None if text is None else Description.from_json(text)
    except ValueError:
        return None

"""What running handlers do, kept in the cell: their workers describe them.

A description has the name `<group>|<digest>`, so that restarts write the same one again, and two
releases of a handler stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from antiphon.broker.gather import Gatherer
from antiphon.broker.scripts import Argument, Call, script
from antiphon.duration import milliseconds
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

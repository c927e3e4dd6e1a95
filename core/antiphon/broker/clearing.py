"""Taking a whole cell away, as tests do with theirs."""

from __future__ import annotations

from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling

_PAGE = 1000
"""Keys that are looked at in one round trip."""


async def clear(errand: Errand) -> None:
    """Remove every key of a cell in which nobody works any more.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    cursor, pattern = b"0", f"{errand.keys.prefix}*"
    with telling(f"clearing the cell {errand.keys.cell}"):
        while True:
            ((cursor, names),) = await errand.ask(
                [("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)]
            )
            if names:
                await errand.ask([("UNLINK", *names)])
            if cursor == b"0":
                return

"""Follow a recovery's ledger as it is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

from redis.asyncio import Redis

from antiphon.broker.wire import StreamReply
from antiphon.keys import Keys
from antiphon.ledger import Entry

_BLOCK_MS = 1000


async def follow(client: Redis, keys: Keys, correlation_id: str) -> AsyncIterator[Entry]:
    """Yield every row of a ledger from its first, then each new one; ends only with its reader.

    The ledger may not exist yet. The client must allow reads that block for a second.
    """
    ledger, last = keys.ledger(correlation_id), "0"
    while True:
        reply = cast("StreamReply", await client.xread({ledger: last}, block=_BLOCK_MS))
        for _, rows in reply or ():
            for entry_id, row in rows:
                last = entry_id.decode()
                yield Entry.from_row(entry_id, row)

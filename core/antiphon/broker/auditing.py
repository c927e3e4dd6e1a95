"""The audit of a cell, read back: who did what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from antiphon.audit import Audit, AuditRow
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.guardrows import texts
from antiphon.instants import EPOCH, entry_instant
from antiphon.keys import Keys


async def latest(errand: Errand, *, before: str = "", limit: int = 100) -> list[AuditRow]:
    """Read what was done, the newest first.

    Args:
        errand: The dealings with the server.
        before: Only what is older than the entry of this id.
        limit: At most so many.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    newest = f"({before}" if before else "+"
    with telling("reading the audit"):
        (rows,) = await errand.ask([("XREVRANGE", errand.keys.audit, newest, "-", "COUNT", limit)])
    return [_row(entry_id, texts(fields)) for entry_id, fields in rows]


async def read_audit(client: Redis, keys: Keys, since: datetime | None = None) -> Audit:
    """Read what people did since an instant; all that is kept, unless one is given.

    Raises:
        StreamUnavailable: The server does not answer.
        ConfigurationError: It refuses our name, password or permissions.
    """
    asked: Any = client  # redis-py types replies as all they might ever be
    lowest = "-" if since is None else str(max((since - EPOCH) // timedelta(milliseconds=1), 0))
    with telling("reading the audit"):
        if not await asked.exists(keys.audit):
            return Audit(rows=(), whole=True)
        known = await asked.xinfo_stream(keys.audit)
        raw = await asked.xrange(keys.audit, lowest, "+")
    rows = tuple(_row(entry_id, _texts(fields)) for entry_id, fields in raw)
    first = known["first-entry"]
    oldest = entry_instant(first[0].decode()) if first else None
    forgot = known.get("entries-added", known["length"]) > known["length"]
    reaches = oldest is not None and since is not None and oldest <= since
    return Audit(rows=rows, whole=reaches or not forgot)


def _texts(fields: Mapping[bytes, bytes]) -> Mapping[str, str]:
    return texts([part for pair in fields.items() for part in pair])


def _row(entry_id: bytes, row: Mapping[str, str]) -> AuditRow:
    name = entry_id.decode()
    return AuditRow(
        id=name,
        at=entry_instant(name) or EPOCH,
        action=row.get("action", ""),
        what=row.get("what", ""),
        by=row.get("by", ""),
        reason=row.get("reason", ""),
    )

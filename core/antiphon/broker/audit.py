"""The cell's audit, read back: what people did to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis

from antiphon.broker.faults import telling
from antiphon.instants import EPOCH, entry_instant
from antiphon.keys import Keys
from antiphon.report.deeds import Audit, AuditRow


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
    rows = tuple(_row(entry_id, fields) for entry_id, fields in raw)
    first = known["first-entry"]
    oldest = entry_instant(first[0].decode()) if first else None
    forgot = known.get("entries-added", known["length"]) > known["length"]
    reaches = oldest is not None and since is not None and oldest <= since
    return Audit(rows=rows, whole=reaches or not forgot)


def _row(entry_id: bytes, fields: dict[bytes, bytes]) -> AuditRow:
    row = {
        name.decode("utf-8", "replace"): it.decode("utf-8", "replace")
        for name, it in fields.items()
    }
    return AuditRow(
        at=entry_instant(entry_id.decode()) or EPOCH,
        action=row.get("action", ""),
        what=row.get("what", ""),
        by=row.get("by", ""),
        reason=row.get("reason", ""),
    )

"""The audit of a cell, read back: who did what, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.guardrows import texts
from antiphon.instants import entry_instant

AUDIT_LENGTH = 10_000
"""Rows that are kept, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing somebody did."""

    id: str
    """Its entry id in the audit stream."""

    at: datetime | None
    action: str
    """`pause`, `resume`, `reset`, `approve`, `deny`, `cancel`, `acknowledge`, `replay` or `drop`;
    others may come."""

    what: str
    """What it was done to, as the server names it."""

    by: str
    reason: str


async def deeds(errand: Errand, *, before: str = "", limit: int = 100) -> list[Deed]:
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
    return [_deed(entry.decode(), texts(fields)) for entry, fields in rows]


def _deed(entry: str, row: Mapping[str, str]) -> Deed:
    return Deed(
        id=entry,
        at=entry_instant(entry),
        action=row.get("action", ""),
        what=row.get("what", ""),
        by=row.get("by", ""),
        reason=row.get("reason", ""),
    )

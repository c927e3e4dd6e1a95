"""The audit of a cell: what people did to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One thing that somebody did."""

    id: str = ""
    """Its entry id in the audit stream."""

    at: datetime
    action: str
    """`pause`, `resume`, `reset`, `approve`, `deny`, `cancel`, `acknowledge`, `replay` or `drop`;
    others may come."""

    what: str
    """What it was done to, as the server names it."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What people did to the cell, as far back as it is kept."""

    rows: tuple[AuditRow, ...]
    """The earliest first."""

    whole: bool
    """Whether nothing has been forgotten of the time that was asked for."""

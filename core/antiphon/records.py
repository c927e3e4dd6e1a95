"""The records of recoveries, read back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from antiphon.ledger import Entry
from antiphon.summary import Summary
from antiphon.trace import Trace

Status = Literal["open", "completed", "partial", "failed", "halted", "cancelled"]
"""Open, or closed with this verdict."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything kept about one recovery, as it was at one instant."""

    summary: Summary
    ledger: tuple[Entry, ...]
    outstanding: tuple[str, ...]
    """What it waits for, each `type|entry|group` or one of the other names that
    `docs/reference/outcomes-and-ledger.md` lists."""

    read_at: datetime
    """Redis's time of reading."""

    def trace(self) -> Trace:
        """Build the trace of the recovery, as of that instant."""
        return Trace.from_ledger(self.ledger, self.outstanding, self.summary, now=self.read_at)


class Reading(Protocol):
    """Where records are kept."""

    async def record(self, correlation_id: str) -> Record | None:
        """Read one record as of one instant; None when there is none, or no longer."""

    async def recoveries(
        self, *, status: Status | None, subject: str | None, since: timedelta | None, limit: int
    ) -> list[Summary]:
        """List recoveries, as `Records.recoveries` promises."""


@dataclass(frozen=True, slots=True)
class Records:
    """The recoveries of a cell, open ones and those closed within the retention."""

    reading: Reading

    async def trace(self, correlation_id: str) -> Trace | None:
        """Build the trace of a recovery; None when none is recorded, or no longer."""
        record = await self.reading.record(correlation_id)
        return None if record is None else record.trace()

    async def recoveries(
        self,
        *,
        status: Status | None = None,
        subject: str | None = None,
        since: timedelta | None = None,
        limit: int = 50,
    ) -> list[Summary]:
        """List recoveries, the newest first; unless a subject is given, open ones lead.

        Args:
            status: Only open ones, or only those closed with this verdict.
            subject: Only those opened by an event about this.
            since: Only those that were still open this long ago, or later.
            limit: At most so many.
        """
        return await self.reading.recoveries(
            status=status, subject=subject, since=since, limit=limit
        )

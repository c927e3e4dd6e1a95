"""Instants as Redis counts them, and as people and JSON write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FIRST_CLOCK_MS = 10**12
"""September 2001: an entry id below it was made by hand and tells no time."""


def instant(milliseconds: int) -> datetime:
    """Turn milliseconds since 1970 into an instant.

    Raises:
        OverflowError: The instant lies beyond the year 9999.
    """
    return EPOCH + timedelta(milliseconds=milliseconds)


def entry_instant(entry_id: str) -> datetime | None:
    """Return when a stream entry was written, or None when its id was made by hand."""
    return _written(entry_id.partition("-")[0])


@lru_cache(maxsize=4096)
def _written(head: str) -> datetime | None:
    """Read the first half of an entry id; what is written together shares it."""
    milliseconds = int(head) if head.isascii() and head.isdigit() else 0
    if milliseconds < _FIRST_CLOCK_MS:
        return None
    try:
        return instant(milliseconds)
    except OverflowError:
        return None


def iso(moment: datetime | None) -> str | None:
    """Write a UTC instant to the millisecond, ending in Z; None stays None."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

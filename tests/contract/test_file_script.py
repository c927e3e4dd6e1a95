"""`file.lua`: a digest of a closed recovery is filed as long as the recovery is as it was read."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.broker.errand import Errand
from antiphon.broker.scripts import Call, script
from antiphon.settings import Settings

FILED, PASSED, FULL = 1, 0, 2
_EXPIRES_MS = 4_102_444_800_000
"""The year 2100."""


class Shelf:
    """A day's history, and one recovery of it."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.client: Any = errand.client
        self.day = errand.keys.history_of("2026-11-22")

    async def recovery(self, correlation_id: str, **fields: str | int) -> None:
        key = self.errand.keys.recovery(correlation_id)
        await self.client.hset(key, mapping=fields)
        await self.client.pexpire(key, 60_000)

    async def file(self, correlation_id: str, text: str, *, closes: int, limit: int = 9) -> int:
        call = Call(
            script("file"),
            (self.errand.keys.recovery(correlation_id), self.day),
            (correlation_id, text, closes, _EXPIRES_MS, limit),
        )
        return int(await self.errand.gatherer.run(call))

    async def kept(self) -> dict[str, str]:
        rows = await self.client.hgetall(self.day)
        return {name.decode(): text.decode() for name, text in rows.items()}


@pytest.fixture
async def shelf(settings: Settings) -> Any:
    async with Errand.begin(settings) as errand:
        yield Shelf(errand)


async def test_a_closed_recovery_is_filed(shelf: Shelf) -> None:
    """Its digest is a field of its day, which is forgotten at the given instant."""
    await shelf.recovery("r1", status="closed", closes=1)
    assert await shelf.file("r1", "digest", closes=1) == FILED
    assert await shelf.kept() == {"r1": "digest"}
    assert await shelf.client.pexpiretime(shelf.day) == _EXPIRES_MS


async def test_filing_again_replaces_it(shelf: Shelf) -> None:
    """A recovery that was reopened and closed again counts once, as it ended last."""
    await shelf.recovery("r1", status="closed", closes=1)
    await shelf.file("r1", "first", closes=1)
    await shelf.recovery("r1", status="closed", closes=2)
    assert await shelf.file("r1", "second", closes=2) == FILED
    assert await shelf.kept() == {"r1": "second"}


@pytest.mark.parametrize(
    ("status", "closes"), [("open", 1), ("closed", 2)], ids=["reopened", "closed again"]
)
async def test_what_was_read_before_that_is_not_filed(
    shelf: Shelf, status: str, closes: int
) -> None:
    """A worker that read it before it was reopened, or closed again, comes too late."""
    await shelf.recovery("r1", status="closed", closes=1)
    await shelf.file("r1", "first", closes=1)
    await shelf.recovery("r1", status=status, closes=closes)
    assert await shelf.file("r1", "late", closes=1) == PASSED
    assert await shelf.kept() == {"r1": "first"}


async def test_what_has_no_record_is_not_filed(shelf: Shelf) -> None:
    """A record that expired meanwhile has been filed, or is lost."""
    assert await shelf.file("r1", "digest", closes=1) == PASSED
    assert await shelf.kept() == {}


async def test_a_day_is_full(shelf: Shelf) -> None:
    """No further recovery is filed; those that are there can still be replaced."""
    for name in ("r1", "r2", "r3"):
        await shelf.recovery(name, status="closed", closes=1)
    assert [await shelf.file(name, "a", closes=1, limit=2) for name in ("r1", "r2", "r3")] == [
        FILED, FILED, FULL,
    ]  # fmt: skip
    assert await shelf.file("r2", "b", closes=1, limit=2) == FILED
    assert await shelf.kept() == {"r1": "a", "r2": "b"}

"""Recoveries are counted once also while they close, and while what is filed grows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from antiphon.broker.history import BEGAN, FILED, RedisHistory
from antiphon.broker.reviewing import reviewed
from antiphon.broker.session import Session
from antiphon.instants import instant
from archive import DAY_MS, Archive
from witness import changed


async def test_what_closes_meanwhile_is_counted_once(archive: Archive) -> None:
    """It goes from one index to the other, and is found in both."""
    await archive.close("r1")
    await archive.close("r2")
    await archive.client.zadd(archive.keys.open_recoveries, {"r1": 1})
    assert (await archive.review()).total.count == 2


async def test_what_a_scan_tells_twice_is_counted_once(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may, while the hash of a day grows."""
    await archive.close("r1")
    await archive.file()
    await archive.expire("r1")
    history = RedisHistory(archive.client, archive.keys)
    scan = archive.client.hscan_iter

    async def twice(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        async for pair in scan(*arguments, **options):
            yield pair
            yield pair

    monkeypatch.setattr(archive.client, "hscan_iter", twice)
    since = instant(await archive.session.now_ms()) - timedelta(days=2)
    found = [it.correlation_id async for it in history.digests(since) if it is not None]
    assert found == ["r1"]


async def test_what_closes_right_now_is_filed_the_next_time(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may close at the same millisecond, behind the back of who looks there."""
    now = await archive.session.now_ms()

    async def stopped(_: Session) -> int:
        return now

    monkeypatch.setattr(Session, "now_ms", stopped)
    await archive.close("r1", ago_ms=0)
    assert await archive.file() == 0
    now += 2000
    assert await archive.file() == 1


async def test_another_closing_counts_without_a_ledger(archive: Archive) -> None:
    """A record whose ledger somebody deleted still says when it was closed."""
    await archive.close("r1")
    await archive.file()
    await archive.close("r1", closes=2, verdict="failed", ago_ms=5000)
    await archive.client.delete(archive.keys.ledger("r1"))
    assert (await archive.review()).total.verdicts == {"failed": 1}


async def test_a_history_is_whole_no_longer_than_it_is_kept(archive: Archive) -> None:
    """However long ago it began."""
    now = await archive.session.now_ms()
    began = {BEGAN: now - 300 * DAY_MS, FILED: now}
    await archive.client.hset(archive.keys.history, mapping=began)
    settings = changed(archive.session.settings, history_retention="60d")
    _, sources = await reviewed(archive.client, settings, timedelta(days=90), lambda **_: None)
    assert sources.whole_since == sources.now - timedelta(days=60)

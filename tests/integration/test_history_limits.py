"""The history's limits: what does not fit, cannot be read or was not filed, and is said to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from antiphon import Settings
from antiphon.broker.history import BEGAN, FILED, RedisHistory
from antiphon.broker.reading import read_record, read_record_gently
from antiphon.broker.reviewing import reviewed
from antiphon.broker.session import Session
from antiphon.instants import EPOCH, instant
from archive import DAY_MS, RETENTION, Archive
from witness import changed


@pytest.mark.parametrize("key", ["ledger", "outstanding", "recovery"])
async def test_a_record_that_cannot_be_read_hides_no_other(archive: Archive, key: str) -> None:
    """It is passed over and named: what somebody else writes to its keys stops nothing."""
    for name in ("r1", "r2", "r3"):
        await archive.close(name)
    await archive.client.set(getattr(archive.keys, key)("r2"), "x", px=600_000)
    assert await archive.file() == 2
    [digests] = (await archive.filed()).values()
    assert sorted(digests) == ["r1", "r3"]
    review, sources = await reviewed(
        archive.session.client, archive.session.settings, timedelta(days=9), lambda **_: None
    )
    assert (review.total.count, sources.damaged) == (2, ("r2",))


async def test_what_is_filed_of_a_damaged_record_counts(archive: Archive) -> None:
    """Its digest was made while it could be read."""
    await archive.close("r1")
    await archive.file()
    await archive.client.set(archive.keys.ledger("r1"), "x", px=600_000)
    review = await archive.review()
    assert review.total.count == 1


async def test_a_digest_that_cannot_be_read_is_counted(archive: Archive) -> None:
    """One damaged digest hides no other; of one with a record it is made anew."""
    await archive.close("r1")
    await archive.close("r2")
    await archive.file()
    [day] = await archive.filed()
    for name in ("r1", "r2"):
        await archive.client.hset(archive.keys.history_of(day), name, b"{")
    await archive.expire("r1")
    review, sources = await reviewed(
        archive.session.client, archive.session.settings, timedelta(days=9), lambda **_: None
    )
    assert (review.total.count, sources.unreadable) == (1, 1)


async def test_the_oldest_days_make_room(settings: Settings) -> None:
    """Never more digests than `history_limit`; the review says since when none is missing."""
    session = Session.open(changed(settings, history_limit=6))
    archive = Archive(session)
    try:
        for day in range(1, 6):
            for number in range(2):
                await archive.close(f"d{day}-{number}", ago_ms=day * DAY_MS)
        await archive.file()
        filed = await archive.filed()
        assert sum(map(len, filed.values())) == 6
        assert len(filed) == 3
        began = instant(int(await archive.client.hget(archive.keys.history, BEGAN)))
        assert f"{began:%Y-%m-%d}" == min(filed)
    finally:
        await session.aclose()


async def test_a_day_with_too_many_says_so(settings: Settings) -> None:
    """What a day cannot hold is missing, and the review names the day."""
    session = Session.open(changed(settings, history_limit=3))
    archive = Archive(session)
    try:
        for number in range(5):
            await archive.close(f"r{number}")
        await archive.file()
        assert sum(map(len, (await archive.filed()).values())) == 3
        _, sources = await reviewed(
            session.client, session.settings, timedelta(days=2), lambda **_: None
        )
        assert len(sources.full_days) == 1
    finally:
        await session.aclose()


async def test_how_far_back_is_not_overstated(archive: Archive) -> None:
    """Before anything was filed: the records. After records may have expired unfiled: from then."""
    _, sources = await reviewed(
        archive.session.client, archive.session.settings, RETENTION, lambda **_: None
    )
    assert sources.whole_since == sources.recorded_since
    await archive.file()
    now = await archive.session.now_ms()
    await archive.client.hset(archive.keys.history, mapping={FILED: now - 8 * DAY_MS, BEGAN: 1000})
    await archive.file()
    began = int(await archive.client.hget(archive.keys.history, BEGAN))
    assert abs(now - 7 * DAY_MS - began) < 60_000


async def test_filing_that_stands_still_is_not_passed_over(archive: Archive) -> None:
    """What closed since, and expired, is missing: it is whole only as far as records go."""
    await archive.file()
    now = await archive.session.now_ms()
    fields = {BEGAN: now - 95 * DAY_MS, FILED: now - 30 * DAY_MS}
    await archive.client.hset(archive.keys.history, mapping=fields)
    _, sources = await reviewed(
        archive.session.client, archive.session.settings, RETENTION, lambda **_: None
    )
    assert sources.whole_since == sources.recorded_since
    assert sources.stands_since == instant(now - 30 * DAY_MS)


async def test_a_large_record_is_read_whole_page_by_page(archive: Archive) -> None:
    """As in one piece; what runs in the same worker has its turn between pages."""
    await archive.close("r1")
    async with archive.client.pipeline(transaction=False) as pipe:
        for number in range(1003):
            pipe.xadd(archive.keys.ledger("r1"), {"kind": "progress", "message": number})
        await pipe.execute()
    whole = await read_record(archive.client, archive.keys, "r1")
    paged = await read_record_gently(archive.client, archive.keys, "r1")
    assert whole is not None
    assert paged is not None
    assert replace(paged, read_at=whole.read_at) == whole


async def test_a_digest_takes_a_few_hundred_bytes(archive: Archive) -> None:
    """Measured on the server: what one recovery adds to the history, of a day with a thousand."""
    for number in range(1000):
        await archive.close(f"01a2056c-7bbc-7542-adf7-{number:012}")
    await archive.file()
    [day] = await archive.filed()
    used = await archive.client.memory_usage(archive.keys.history_of(day), samples=0)
    assert used / 1000 < 400, used / 1000


async def test_reading_holds_no_more_than_it_must(archive: Archive) -> None:
    """Digests come one by one, also those of one large day."""
    for number in range(300):
        await archive.close(f"r{number}")
    await archive.file()
    history = RedisHistory(archive.session.client, archive.keys)
    since = EPOCH + timedelta(milliseconds=await archive.session.now_ms()) - timedelta(days=3)
    seen = 0
    async for digest in history.digests(since):
        seen += digest is not None
    assert seen == 300

"""The history: recoveries are counted once, while their records are kept and afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from antiphon import Settings
from antiphon.broker.filing import Filing
from antiphon.broker.history import BEGAN, FILED, SWEPT, RedisHistory
from antiphon.broker.reading import read_record, read_record_gently
from antiphon.broker.reviewing import reviewed
from antiphon.broker.session import Session
from antiphon.duties.historian import Historian
from antiphon.instants import EPOCH, instant
from antiphon.report.digest import Digest
from antiphon.report.review import Review
from support import until
from witness import Witness, changed

DAY_MS = 24 * 3600 * 1000
RETENTION = timedelta(days=400)


class Archive:
    """Closes recoveries as the scripts do, with a clock that has gone on since."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.client: Any = session.client
        self.keys = session.keys

    async def close(
        self, name: str, *, ago_ms: int = 10_000, closes: int = 1, verdict: str = "completed"
    ) -> None:
        """Leave the record of a recovery that closed so long ago, and opened a second before.

        What was filed before was filed before that.
        """
        closed = await self.session.now_ms() - ago_ms
        earlier = await self.client.hget(self.keys.recovery(name), "opened")
        fields = {
            "status": "closed",
            "verdict": verdict,
            "type": "service.failed",
            "subject": "orders-db",
            "opened": int(earlier) if earlier else closed - 1000,
            "closed": closed,
            "closes": closes,
        }
        await self.client.hset(self.keys.recovery(name), mapping=fields)
        row = {"kind": "closed", "verdict": verdict}
        await self.client.xadd(self.keys.ledger(name), row, id=f"{closed}-{closes}")
        for key in (self.keys.recovery(name), self.keys.ledger(name)):
            await self.client.pexpire(key, 600_000)
        await self.client.zrem(self.keys.open_recoveries, name)
        await self.client.zadd(self.keys.closed_recoveries, {name: closed})
        filed = await self.client.hget(self.keys.history, FILED)
        if filed and int(filed) > closed:
            await self.client.hset(self.keys.history, FILED, closed)

    async def reopen(self, name: str) -> None:
        opened = int(await self.client.hget(self.keys.recovery(name), "opened"))
        await self.client.hset(self.keys.recovery(name), "status", "open")
        await self.client.hdel(self.keys.recovery(name), "verdict", "closed")
        await self.client.zrem(self.keys.closed_recoveries, name)
        await self.client.zadd(self.keys.open_recoveries, {name: opened})

    async def expire(self, name: str) -> None:
        """The time of its record is over."""
        await self.client.delete(self.keys.recovery(name), self.keys.ledger(name))
        await self.client.zrem(self.keys.closed_recoveries, name)

    async def file(self) -> int:
        """File all there is to file; returns how many digests that were."""
        filing, filed, more = Filing(self.session, RETENTION), 0, True
        while more:
            count, more = await filing.once()
            filed += count
        return filed

    async def filed(self) -> Mapping[str, Mapping[str, Digest]]:
        """By day: what the history holds."""
        found = dict[str, Mapping[str, Digest]]()
        async for key in self.client.scan_iter(f"{self.keys.history}:*"):
            rows = await self.client.hgetall(key)
            found[key.decode().rpartition(":")[2]] = {
                name.decode(): Digest.from_bytes(name.decode(), raw) for name, raw in rows.items()
            }
        return found

    async def review(self, days: int = 90) -> Review:
        span = timedelta(days=days)
        review, _ = await reviewed(
            self.session.client, self.session.settings, span, lambda **_: None
        )
        return review


@pytest.fixture
async def archive(settings: Settings) -> Any:
    session = Session.open(settings)
    yield Archive(session)
    await session.aclose()


async def test_what_closed_is_filed_once(archive: Archive) -> None:
    """A digest goes to the day on which its recovery opened; nothing is left to file then."""
    await archive.close("r1")
    await archive.close("r2", ago_ms=2 * DAY_MS)
    assert await archive.file() == 2
    assert await archive.file() == 0
    filed = await archive.filed()
    assert sorted(name for day in filed.values() for name in day) == ["r1", "r2"]
    for day, digests in filed.items():
        assert all(f"{digest.opened:%Y-%m-%d}" == day for digest in digests.values())
        lifetime = await archive.client.pexpiretime(archive.keys.history_of(day))
        kept = instant(lifetime) - next(iter(digests.values())).opened
        assert RETENTION <= kept <= RETENTION + timedelta(days=1)


async def test_a_review_outlives_the_records(archive: Archive) -> None:
    """It is the same before anything is filed, when it is, and when the records have expired."""
    for number in range(5):
        await archive.close(
            f"r{number}", ago_ms=(number + 1) * DAY_MS, verdict="completed" if number else "failed"
        )
    before = (await archive.review()).to_dict()
    await archive.file()
    between = (await archive.review()).to_dict()
    for number in range(5):
        await archive.expire(f"r{number}")
    after = (await archive.review()).to_dict()
    for review in (before, between, after):
        del review["since"], review["until"]
    assert before["recoveries"] == 5
    assert before == between == after


async def test_a_recovery_that_reopens_counts_once(archive: Archive) -> None:
    """While it is open again it is open, and then it is what it came to last."""
    await archive.close("r1", ago_ms=60_000, verdict="failed")
    await archive.file()
    await archive.reopen("r1")
    assert (await archive.review()).total.verdicts == Counter({"open": 1})
    await archive.close("r1", closes=2)
    assert (await archive.review()).total.verdicts == Counter({"completed": 1})
    assert await archive.file() == 1
    await archive.expire("r1")
    review = await archive.review()
    assert (review.total.verdicts, review.reopened) == (Counter({"completed": 1}), 1)


class Told:
    """A recovery that people were told of, and that is filed."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive

    async def begin(self) -> None:
        archive = self.archive
        await archive.close("r1", verdict="failed")
        await archive.client.hset(archive.keys.recovery("r1"), mapping={"escalated": 1, "tier": 1})
        await self.row(kind="escalated", tier=1)
        await archive.file()

    async def row(self, **fields: str | int) -> None:
        key = self.archive.keys.ledger("r1")
        await self.archive.client.xadd(key, fields)
        await self.archive.client.pexpire(key, 600_000)

    async def acknowledge(self) -> None:
        client, keys = self.archive.client, self.archive.keys
        await client.hset(keys.recovery("r1"), mapping={"acked": 2, "acked_by": "ana"})
        await self.row(kind="acknowledged", by="ana")
        await client.xadd(keys.audit, {"action": "acknowledge", "what": "r1", "by": "ana"})

    async def sweep(self, ago: timedelta) -> int:
        """File as if the last sweep were so long ago."""
        swept = await self.archive.session.now_ms() - ago // timedelta(milliseconds=1)
        await self.archive.client.hset(self.archive.keys.history, SWEPT, swept)
        return await self.archive.file()


async def test_an_acknowledgement_after_the_closing_counts(archive: Archive) -> None:
    """In a review at once; in the history when it is filed the next time, not with the sweep."""
    told = Told(archive)
    await told.begin()
    assert (await archive.review()).unacknowledged == 1
    await told.acknowledge()
    review = await archive.review()
    assert (review.told, review.unacknowledged, review.acts["acknowledge"]) == (1, 0, 1)
    assert await archive.file() == 1
    assert await archive.file() == 0
    await archive.expire("r1")
    review = await archive.review()
    assert (review.told, review.unacknowledged, review.acts["acknowledge"]) == (1, 0, 1)


async def test_what_people_are_told_after_the_closing_counts(archive: Archive) -> None:
    """In a review at once; in the history when all is looked through."""
    told = Told(archive)
    await told.begin()
    await told.row(kind="escalated", tier=2)
    assert (await archive.review()).highest_tier == 2
    assert await archive.file() == 0
    assert await told.sweep(timedelta(days=2)) == 1
    await archive.expire("r1")
    assert (await archive.review()).highest_tier == 2


async def test_all_is_looked_through_before_records_expire(settings: Settings) -> None:
    """However short they are kept: a sweep comes twice in their life."""
    session = Session.open(changed(settings, record_retention=timedelta(minutes=20)))
    told = Told(Archive(session))
    try:
        await told.begin()
        await told.row(kind="escalated", tier=2)
        assert await told.sweep(timedelta(minutes=9)) == 0
        assert await told.sweep(timedelta(minutes=11)) == 1
    finally:
        await session.aclose()


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


async def test_any_number_of_workers_file_each_once(archive: Archive) -> None:
    """Ten at the same time make the history that one makes."""
    names = {f"r{number:03}" for number in range(120)}
    for name in names:
        await archive.close(name, ago_ms=5000)
    await asyncio.gather(*(Filing(archive.session, RETENTION).once() for _ in range(10)))
    await archive.file()
    filed = await archive.filed()
    assert Counter(name for day in filed.values() for name in day) == Counter(names)
    assert (await archive.review()).total.count == 120


async def test_what_closed_at_one_instant_is_all_filed(archive: Archive) -> None:
    """More than fit into one reply, with the same score."""
    now = await archive.session.now_ms()
    for number in range(450):
        await archive.close(f"r{number:03}")
    await archive.client.zadd(
        archive.keys.closed_recoveries, {f"r{number:03}": now - 5000 for number in range(450)}
    )
    assert await archive.file() == 450
    assert (await archive.review()).total.count == 450


async def test_only_what_closed_since_is_looked_at(archive: Archive) -> None:
    """Filing goes on where it stopped; once a day it looks through all there is."""
    await archive.close("r1", ago_ms=DAY_MS)
    await archive.file()
    filed = await archive.client.hget(archive.keys.history, FILED)
    await archive.close("late", ago_ms=DAY_MS - 1000)  # as if the clock had been set back
    await archive.client.hset(archive.keys.history, FILED, filed)
    assert await archive.file() == 0
    swept = int(await archive.client.hget(archive.keys.history, SWEPT))
    await archive.client.hset(archive.keys.history, SWEPT, swept - DAY_MS)
    assert await archive.file() == 1


async def test_a_clock_that_was_set_back_hides_nothing(archive: Archive) -> None:
    """What was filed up to lies in the future: all is looked through."""
    await archive.file()
    await archive.client.hset(archive.keys.history, FILED, 2**50)
    await archive.close("r1")
    assert await archive.file() == 1


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


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["close", "reopen", "file", "expire"]), st.sampled_from(["r1", "r2"])
        ),
        max_size=14,
    )
)
async def test_whatever_happens_each_counts_once(
    archive: Archive, course: list[tuple[str, str]]
) -> None:
    """Closing, reopening, filing, expiring in any order: what was filed or has a record counts."""
    left = [key async for key in archive.client.scan_iter(f"{archive.keys.prefix}*")]
    await archive.client.delete("none", *left)
    standing, known, closes = dict[str, str](), set[str](), Counter[str]()
    filed = set[str]()
    for act, name in course:
        if act == "file":
            await archive.file()
            filed |= {it for it, status in standing.items() if status == "closed"}
        elif act == "close" and standing.get(name) != "closed":
            closes[name] += 1
            await archive.close(name, ago_ms=5000 - len(known), closes=closes[name])
            standing[name] = "closed"
            known.add(name)
        elif act == "reopen" and standing.get(name) == "closed":
            await archive.reopen(name)
            standing[name] = "open"
        elif act == "expire" and standing.get(name) == "closed":
            await archive.expire(name)
            del standing[name]
            if name not in filed:
                known.discard(name)
    review = await archive.review()
    assert review.total.count == len(known | set(standing))


async def test_the_historian_does_it_by_itself(settings: Settings, witness: Witness) -> None:
    """A worker's duty files; with `history_retention=off` there is nothing to do."""
    session = Session.open(settings)
    archive = Archive(session)
    off = Session.open(changed(settings, history_retention=None))
    try:
        await archive.close("r1")
        await Historian(off).once()
        assert await archive.filed() == {}
        await Historian(session).once()
        assert [list(day) for day in (await archive.filed()).values()] == [["r1"]]
        assert await until(lambda: witness.client.exists(witness.keys.history))
    finally:
        await off.aclose()
        await session.aclose()


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

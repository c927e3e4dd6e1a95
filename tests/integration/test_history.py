"""The history: recoveries are counted once, while their records are kept and afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from antiphon import Settings
from antiphon.broker.filing import Filing
from antiphon.broker.history import FILED, SWEPT
from antiphon.broker.session import Session
from antiphon.duties.historian import Historian
from antiphon.instants import instant
from archive import DAY_MS, RETENTION, Archive
from support import until
from witness import Witness, changed


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

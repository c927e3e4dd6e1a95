"""What describe.lua promises about the handlers that run: bounded, and forgotten in time."""

from __future__ import annotations

from antiphon.broker.scripts import Call, script
from scripted import HOUR_MS, ScriptedCell


def describe(
    work: ScriptedCell,
    *told: str,
    valid_ms: int = HOUR_MS,
    kept_ms: int = HOUR_MS,
    most: int = 100,
) -> Call:
    keys = (work.keys.parts, work.keys.described)
    return Call(script("describe"), keys, (valid_ms, kept_ms, most, *told))


async def names(work: ScriptedCell) -> set[bytes]:
    """The names that are kept, in both keys alike."""
    kept = set(await work.client.hkeys(work.keys.parts))
    assert kept == set(await work.client.zrange(work.keys.described, 0, -1))
    return kept


async def test_a_description_is_given_once(work: ScriptedCell) -> None:
    """From then on its name will do; a name that nobody described is counted, and not kept."""
    assert await work.run(describe(work, "a.one|1", "text", "a.two|1", "")) == 1
    assert await names(work) == {b"a.one|1"}
    assert await work.run(describe(work, "a.one|1", "")) == 0
    assert await work.client.hget(work.keys.parts, "a.one|1") == b"text"


async def test_the_longest_promise_counts(work: ScriptedCell) -> None:
    """Two replicas answer for one description: until the later of both instants."""
    await work.run(describe(work, "a.one|1", "text", valid_ms=2 * HOUR_MS))
    first = await work.client.zscore(work.keys.described, "a.one|1")
    await work.run(describe(work, "a.one|1", "", valid_ms=1))
    assert await work.client.zscore(work.keys.described, "a.one|1") == first


async def test_two_releases_stand_side_by_side(work: ScriptedCell) -> None:
    """Each description has a name of its own."""
    await work.run(describe(work, "a.one|1", "old"))
    await work.run(describe(work, "a.one|2", "new"))
    assert await names(work) == {b"a.one|1", b"a.one|2"}


async def test_one_that_nobody_answers_for_is_forgotten(work: ScriptedCell) -> None:
    """After the time that it is kept, by whoever describes anything."""
    seconds, _ = await work.client.time()
    await work.run(describe(work, "a.old|1", "text", "a.late|1", "text"))
    ages = {"a.old|1": seconds * 1000 - 2 * HOUR_MS, "a.late|1": seconds * 1000 - HOUR_MS // 2}
    await work.client.zadd(work.keys.described, ages)
    await work.run(describe(work, "a.one|1", "text"))
    assert await names(work) == {b"a.late|1", b"a.one|1"}


async def test_there_are_only_so_many(work: ScriptedCell) -> None:
    """Those go that somebody answered for least lately."""
    for number in range(5):
        await work.run(describe(work, f"a.{number}|1", "text", valid_ms=HOUR_MS + number, most=3))
    assert await names(work) == {b"a.2|1", b"a.3|1", b"a.4|1"}


async def test_nothing_lasts_for_ever(work: ScriptedCell) -> None:
    """Both keys go when nobody describes anything any more."""
    await work.run(describe(work, "a.one|1", "text", valid_ms=1000, kept_ms=2000))
    for key in (work.keys.parts, work.keys.described):
        assert 2000 < await work.client.pttl(key) <= 3000

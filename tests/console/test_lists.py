"""Lists on pages: filters, further pages, and how much they leave out."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, cast

import orjson
import pytest

from antiphon import Publisher, Settings
from antiphon.broker.browsing import Wanted, browse
from antiphon.broker.errand import Errand
from antiphon_events import ServiceFailed
from console_shop import opened_shop
from consoles import Visitor, words
from links import Links
from listed import closed_ones, published
from support import until
from witness import Witness, running


async def everything(errand: Errand, wanted: Wanted, limit: int) -> list[str]:
    """What all pages together list."""
    found: list[str] = []
    after = ""
    while True:
        page = await browse(errand, wanted, limit=limit, after=after)
        found += [one.summary.correlation_id for one in page.found]
        after = page.after
        if not after:
            return found


@pytest.mark.parametrize("limit", [1, 7, 50, 1000])
async def test_pages_list_everything_once(settings: Settings, errand: Errand, limit: int) -> None:
    """Open ones first, then the newest; however long a page is, none is left out or there twice."""
    opened = await published(settings, "a", "b", "c")
    await closed_ones(errand, 20)
    everyone = await everything(errand, Wanted(), limit)
    assert sorted(everyone[:3]) == sorted(opened)
    assert everyone[3:] == [f"completed-{number:04}" for number in range(20)]


async def test_recoveries_of_one_instant_are_listed_once(
    settings: Settings, errand: Errand
) -> None:
    """Their order is the server's, so a page can go on in their midst."""
    keys = errand.keys
    names = [f"same-{number:02}" for number in range(9)]
    for name in names:
        await errand.client.hset(keys.recovery(name), mapping={"status": "closed"})
        await errand.client.expire(keys.recovery(name), 600)
    await errand.client.zadd(keys.closed_recoveries, dict.fromkeys(names, 1_700_000_000_000))
    assert await everything(errand, Wanted(), 2) == names[::-1]


async def test_filters_narrow_the_list(settings: Settings, errand: Errand, cleo: Visitor) -> None:
    """By status, subject and time, alone and together; a page says where the next begins."""
    await published(settings, "orders-db")
    await closed_ones(errand, 60)
    await closed_ones(errand, 2, verdict="failed")
    assert "50 recoveries" in await cleo.words("/recoveries")
    assert "1 recovery" in await cleo.words("/recoveries?status=open")
    assert "2 recoveries" in await cleo.words("/recoveries?status=failed")
    assert "1 recovery" in await cleo.words("/recoveries?subject=orders-db")
    assert "no such recovery" in await cleo.words("/recoveries?subject=orders-1&status=failed")
    assert "no such recovery" in await cleo.words("/recoveries?status=open&until=1h")
    recent = await browse(errand, Wanted(since=timedelta(seconds=10)), limit=1000)
    assert 8 <= len(recent.found) <= 13
    old = await browse(errand, Wanted(until=timedelta(seconds=30)), limit=1000)
    assert 25 <= len(old.found) <= 31


async def test_the_next_page_keeps_the_filters(errand: Errand, cleo: Visitor) -> None:
    """Further pages are links, and lead through all of it."""
    await closed_ones(errand, 120)
    path, seen = "/recoveries?status=completed&since=1h", 0
    for expected in (50, 50, 20):
        page = await cleo.page(path)
        seen += expected
        assert f"{expected} recoveries" in words(page)
        following = [a for a in Links.of(page) if "after=" in a]
        assert len(following) == (seen < 120)
        path = following[0] if following else ""
        assert not path or "status=completed&since=1h" in path
    assert seen == 120


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("status=lost", "'lost' is no status"),
        ("since=5", "since: '5' is not a duration"),
        ("until=x", "until: 'x' is not a duration"),
        ("after=nowhere", "'nowhere' is no place"),
        ("after=open:nan:x", "'open:nan:x' is no place"),
        ("after=closed:1e400:x", "'closed:1e400:x' is no place"),
        ("since=900000000d", "since: '900000000d' is longer than a hundred years"),
        ("until=900000000d", "until: '900000000d' is longer than a hundred years"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_named(
    cleo: Visitor, query: str, complaint: str
) -> None:
    """The page says what is wrong with it."""
    page = await cleo.get(f"/recoveries?{query}")
    assert page.status_code == 400
    assert complaint in words(page.text)


@pytest.mark.parametrize("place", ["x", "0-0", "1", f"{2**64}-1", "9" * 5000 + "-1"])
@pytest.mark.parametrize("path", ["/letters?before=", "/audit?before="])
async def test_a_place_that_is_none_is_named(cleo: Visitor, path: str, place: str) -> None:
    """Redis is not asked what it would refuse."""
    page = await cleo.get(path + place)
    assert page.status_code == 400
    assert f"'{place[:100]}' is no place in this list" in words(page.text)


async def test_a_length_beyond_all_time_is_all_of_it(settings: Settings, errand: Errand) -> None:
    """Nothing is older than the epoch."""
    await closed_ones(errand, 1)
    assert len((await browse(errand, Wanted(since=timedelta.max))).found) == 1
    assert len((await browse(errand, Wanted(until=timedelta.max))).found) == 0


async def test_recoveries_are_found_by_service(
    settings: Settings, errand: Errand, cleo: Visitor, witness: Witness
) -> None:
    """Of a service that took part, and of one that is waited for."""
    async with running(opened_shop(settings, lambda: True)):
        async with Publisher(settings) as publisher:
            done = await publisher.publish(ServiceFailed(subject="orders-api"))
        await published(settings, "orders-db")
        await witness.closed(done.correlation_id)
        assert "2 recoveries" in await cleo.words("/recoveries?service=shop")
        assert "no such recovery" in await cleo.words("/recoveries?service=sho")
        assert "orders-api" in await cleo.words("/recoveries?service=shop&status=completed")
        said = until(lambda: cleo.words("/recoveries?status=open"))
        assert "waits for approval: shop.restore on database.failed" in await said


async def test_a_long_ledger_is_paged(settings: Settings, errand: Errand, cleo: Visitor) -> None:
    """By the ids of rows, forth and back; an id that is none is refused."""
    [name] = await published(settings, "orders-db")
    client: Any = errand.client
    for _ in range(500):
        await client.xadd(errand.keys.ledger(name), {"kind": "progress"})
    whole = await client.xlen(errand.keys.ledger(name))
    first = path = f"/recovery/ledger?id={name}"
    seen: list[int] = []
    while path:
        page = await cleo.page(path)
        count = page.count('<th scope="row">')
        assert f"{count} of {whole} rows" in words(page)
        seen.append(count)
        came_from, path = path, Links.named(page, "page-next")
    assert (seen, sum(seen)) == ([200, 200, whole - 400], whole)
    back = Links.named(await cleo.page(came_from), "page-previous")
    assert Links.named(await cleo.page(back), "page-previous").startswith(first)
    assert (await cleo.get(f"{first}&from={'1' * 5000}")).status_code == 400


async def test_one_page_looks_for_so_long(
    errand: Errand, cleo: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that matches little says how far it has looked, and where to look on."""
    monkeypatch.setattr("antiphon.broker.deadletters._LOOKS_FOR_S", 0.0)
    monkeypatch.setattr("antiphon.broker.browsing._LOOKS_FOR_S", 0.0)
    client: Any = errand.client
    for number in range(250):
        await client.xadd(errand.keys.dead, {"deadgroup": "a.b" if number else "c.d"})
    await closed_ones(errand, 50)
    for first, there in (("/letters?group=c.d", True), ("/recoveries?service=none", False)):
        turns, following = 0, first
        while following:
            page = await cleo.page(following)
            following = Links.named(page, "page-next")
            assert ("among those looked through so far" in words(page)) == bool(following)
            turns += 1
        assert turns in {3, 4}
        assert ("ago" in words(page)) == there


async def test_pages_say_how_much_they_leave_out(errand: Errand, cleo: Visitor) -> None:
    """Of very many guards, pauses and held deliveries some are shown, the widest among them."""
    keys, client = errand.keys, cast("Any", errand.client)
    seconds, _ = await client.time()
    now = int(seconds) * 1000
    async with client.pipeline(transaction=False) as pipe:
        for number in range(12_000):
            name = f"restore:subject-{number}"
            pipe.zadd(keys.guards, {f"budget|{name}|5|600000": now + 600_000 + number})
            pipe.zadd(keys.guard("budget", name), {"x": now})
            pipe.expire(keys.guard("budget", name), 600)
            pipe.hset(keys.pauses, f"subject:{number}", orjson.dumps({"by": "ana"}))
            pipe.hset(keys.held, f"service.failed|{now}-{number}|shop.restart", f"pause|*|{now}")
        pipe.hset(keys.pauses, "*", orjson.dumps({"by": "ana"}))
        pipe.zadd(keys.guards, {"breaker|payments|3|600000": now + 650_000})
        pipe.hset(keys.guard("breaker", "payments"), mapping={"state": "open", "failures": 3})
        pipe.expire(keys.guard("breaker", "payments"), 600)
        await pipe.execute()
    began = time.monotonic()
    guards, pauses = await cleo.words("/guards"), await cleo.words("/pauses")
    assert await cleo.words("/escalations")
    assert time.monotonic() - began < 3
    assert "payments breaker open" in guards
    assert "And 11801 more; antiphon guards lists all." in guards
    assert "everything is paused By ana Held " in pauses
    assert " or more deliveries" in pauses
    assert "And 11901 more; antiphon guards lists all." in pauses

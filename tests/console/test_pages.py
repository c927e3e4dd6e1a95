"""What pages say, and how: filters, further pages, what is escaped, what headers forbid."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
import pytest

from antiphon import Publisher, Settings
from antiphon.broker.browsing import Wanted, browse
from antiphon.broker.errand import Errand
from antiphon.broker.server import EmbeddedServer
from antiphon.console.loglines import lines_about
from antiphon.console.rendering import STATIC
from antiphon_events import DatabaseFailed, ServiceFailed
from console_shop import opened_shop
from consoles import House, Visitor, words
from support import until
from witness import Witness, running

NASTY = "<script>alert(1)</script>\u202e\x1b[31m'\"&"
ALL = (
    "/recoveries", "/approvals", "/letters", "/guards", "/pauses", "/escalations", "/map", "/audit",
)  # fmt: skip


@pytest.fixture
async def errand(settings: Settings) -> AsyncIterator[Errand]:
    async with Errand.begin(settings) as begun:
        yield begun


@pytest.fixture
async def cleo(house: House) -> Visitor:
    return await house.visitor("cleo")


async def published(settings: Settings, *subjects: str) -> list[str]:
    async with Publisher(settings) as publisher:
        return [
            (await publisher.publish(DatabaseFailed(subject=subject))).correlation_id
            for subject in subjects
        ]


async def closed_ones(errand: Errand, count: int, *, verdict: str = "completed") -> None:
    """Records of recoveries that are over, as the scripts leave them; each a second older."""
    keys = errand.keys
    client: Any = errand.client
    seconds, _ = await client.time()
    async with client.pipeline(transaction=False) as pipe:
        for number in range(count):
            name = f"{verdict}-{number:04}"
            ended = (int(seconds) - number) * 1000
            row = {
                "status": "closed", "verdict": verdict, "type": "service.failed",
                "subject": f"orders-{number % 7}", "root": name, "opened": ended - 500,
                "closed": ended, "closes": 1, "events": 2, "done": 1,
            }  # fmt: skip
            pipe.hset(keys.recovery(name), mapping=row)
            pipe.pexpire(keys.recovery(name), 600_000)
            pipe.zadd(keys.closed_recoveries, {name: ended})
        await pipe.execute()


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
        following = [a for a in _Links.of(page) if "after=" in a]
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


async def test_what_comes_from_events_is_text(
    settings: Settings, errand: Errand, cleo: Visitor
) -> None:
    """No mark-up, no control character and no change of direction of theirs reaches a page."""
    [correlation_id] = await published(settings, NASTY[: NASTY.index("\u202e")])
    client: Any = errand.client
    await client.hset(
        errand.keys.recovery(correlation_id),
        mapping={"subject": NASTY, "type": NASTY, "!x": NASTY, "cancelled": NASTY, "parent": NASTY},
    )
    row = dict.fromkeys(("event", "type", "subject", "entry", "group", "error", "by"), NASTY)
    for kind in ("published", "started", "retried", "escalated", NASTY):
        await client.xadd(errand.keys.ledger(correlation_id), {**row, "kind": kind})
    await client.xadd(
        errand.keys.dead,
        {"deadgroup": NASTY, "deaderror": NASTY, "deadlabel": NASTY, "type": NASTY, "data": NASTY},
    )
    await client.xadd(errand.keys.audit, {"action": NASTY, "what": NASTY, "by": NASTY})
    await client.hset(
        errand.keys.pauses, "subject:" + NASTY, orjson.dumps({"by": NASTY, "reason": NASTY})
    )
    [(letter, _)] = await client.xrange(errand.keys.dead)
    one = f"/recovery?id={correlation_id}"
    for path in (*ALL, one, f"/letter?id={letter.decode()}", one.replace("?", "/ledger?")):
        page = await cleo.page(path)
        for part in ("<script>alert", "\u202e", "\x1b"):
            assert part not in page, path
    missing = await cleo.get("/recovery", params={"id": NASTY})
    assert missing.status_code == 404
    assert "<script>alert" not in missing.text


async def test_a_filter_is_text_too(cleo: Visitor) -> None:
    """What an address says is shown, and nothing more."""
    for path in ("/recoveries", "/letters"):
        names = ("subject", "service", "status", "since", "group", "recovery", "after")
        page = (await cleo.get(path, params=dict.fromkeys(names, '"><script>alert(1)'))).text
        assert "<script>alert" not in page


async def test_browsers_are_told_what_not_to_do(house: House, cleo: Visitor) -> None:
    """On every answer: nothing from elsewhere, no frame, nothing kept."""
    stranger = house.stranger()
    for response in (
        await cleo.get("/recoveries"),
        await cleo.get("/nowhere"),
        await stranger.get("/login"),
        await stranger.get("/recoveries"),
        await stranger.post("/login", {"token": "x"}),
    ):
        _holds_headers(response)
        assert response.headers["cache-control"] == "no-store"
    for name in sorted(path.name for path in STATIC.iterdir()):
        response = await stranger.get(f"/static/{name}")
        assert response.status_code == 200
        _holds_headers(response)
    assert (await stranger.get("/static/../app.py")).status_code == 404
    assert (await stranger.get("/static/%2e%2e/app.py")).status_code == 404


async def test_an_answer_that_fails_is_guarded_too(
    cleo: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page that says so forbids what all others do."""
    monkeypatch.setattr("antiphon.console.pages.audit.latest", None)
    failed = await cleo.get("/audit")
    assert failed.status_code == 500
    assert failed.headers["cache-control"] == "no-store"
    _holds_headers(failed)


def _holds_headers(response: httpx.Response) -> None:
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"
    assert "server" not in response.headers


@pytest.mark.parametrize("path", ALL)
async def test_pages_need_nothing_from_elsewhere(house: House, path: str) -> None:
    """No address of another host, no script and no style within the page."""
    page = await (await house.visitor("ana")).page(path)
    assert all(link.startswith(("/", "#")) for link in _Links.of(page))
    assert "<style" not in page
    assert ' style="' not in page
    assert " onclick" not in page


@pytest.mark.parametrize("path", [*ALL, "/login"])
async def test_pages_can_be_read_aloud(house: House, path: str) -> None:
    """Each has a language, a title, one main heading, landmarks, and a label for every field."""
    visitor = house.stranger() if path == "/login" else await house.visitor("ana")
    found = _Links.read(await visitor.page(path))
    assert found.count["h1"] == 1
    assert found.count["main"] == 1
    assert found.count["title"] == 1
    assert found.count.get("table", 0) == found.count.get("caption", 0)
    assert found.fields <= found.labels, found.fields - found.labels
    assert found.doubled == set()


async def test_a_page_that_is_not_there(cleo: Visitor) -> None:
    """It says so, in the look of the others."""
    huge = f"/letter?id={2**64}-1"
    for path in ("/nowhere", "/recovery?id=x", "/recovery", "/letter?id=1-1", "/letter?id=x", huge):
        response = await cleo.get(path)
        assert response.status_code == 404
        assert words(response.text).startswith("Not found There is no ") or "No recovery" in (
            words(response.text)
        )


async def test_the_story_of_one(
    settings: Settings, errand: Errand, cleo: Visitor, witness: Witness
) -> None:
    """Its verdict, why, both drawings, the ledger as a table, and what died."""
    async with running(opened_shop(settings, lambda: False)):
        async with Publisher(settings) as publisher:
            receipt = await publisher.publish(ServiceFailed(subject="orders-api"))
        await witness.closed(receipt.correlation_id, verdict="failed")
    page = await cleo.page(f"/recovery?id={receipt.correlation_id}")
    said = words(page)
    assert "✕ failed" in said
    assert "Nothing: it is over." in said
    assert "orders-api has no <b>binary</b> to start" in said
    assert page.count("<svg") == 2
    for kind in ("opened", "published", "started", "died", "closed"):
        assert f'<th scope="row">{kind}</th>' in page
    assert "rows, by Redis's clock" in await cleo.words(
        f"/recovery/ledger?id={receipt.correlation_id}"
    )
    assert "no log files" in await cleo.words(f"/recovery/logs?id={receipt.correlation_id}")


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
        came_from, path = path, _Links.named(page, "page-next")
    assert (seen, sum(seen)) == ([200, 200, whole - 400], whole)
    back = _Links.named(await cleo.page(came_from), "page-previous")
    assert _Links.named(await cleo.page(back), "page-previous").startswith(first)
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
            following = _Links.named(page, "page-next")
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


async def test_log_lines_are_shown_when_given(settings: Settings, tmp_path: Path) -> None:
    """Those that name the recovery, in the order of their time; a missing file is named."""
    [correlation_id] = await published(settings, "orders-db")
    file = tmp_path / "worker.log"
    lines = [
        {"timestamp": at, "event": event, "correlation_id": name}
        for at, event, name in (
            ("2026-11-22T12:00:02Z", "second", correlation_id),
            ("2026-11-22T12:00:01Z", "first", correlation_id),
            ("2026-11-22T12:00:01Z", "another's", "another"),
        )
    ]
    file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    async with House.open(settings, logs=(file, tmp_path / "none.log")) as house:
        cleo = await house.visitor("cleo")
        said = await cleo.words(f"/recovery/logs?id={correlation_id}")
    assert "another's" not in said
    assert said.index("first") < said.index("second")
    assert "none.log: No such file or directory" in said


def test_of_many_log_lines_the_newest_are_kept(tmp_path: Path) -> None:
    """A line that is very long is cut; what is left out is counted."""
    file = tmp_path / "worker.log"
    lines = [{"timestamp": f"{n:05}", "correlation_id": "x", "n": "y" * 9000} for n in range(1200)]
    file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    found = lines_about("x", [file])
    assert [line.at for line in found.lines] == [f"{n:05}" for n in range(200, 1200)]
    assert found.more == 200
    assert all(len(line.text) == 4097 for line in found.lines)


async def test_the_map_is_drawn_from_what_runs(settings: Settings, cleo: Visitor) -> None:
    """By the workers' own account, and without a stylesheet of its own."""

    async def drawn() -> str:
        page = (await cleo.get("/map")).text
        # Workers describe their handlers one after the other.
        return page if "shop.restore" in page[page.find("<svg") : page.find("</svg>")] else ""

    async with running(opened_shop(settings, lambda: True)):
        page = await until(drawn)
    assert 'aria-label="Choreography of shop"' in page
    assert "<style" not in page


async def test_the_map_lists_handlers(settings: Settings, cleo: Visitor) -> None:
    """What they hear and what they bring."""
    async with running(opened_shop(settings, lambda: True)):
        said = await cleo.words("/map")
    assert "shop.restore database.failed database.restored" in said


async def test_a_server_that_is_gone_is_said_and_seen_again(
    server: EmbeddedServer, cell: str
) -> None:
    """A page that says so, without a traceback; the next look finds it back, and nobody is lost."""
    async with House.open(Settings(redis_url=server.url, cell=cell)) as house:
        cleo = await house.visitor("cleo")
        assert "There is no such recovery" in await cleo.words("/recoveries")
        server.stop()
        gone = await cleo.get("/recoveries")
        assert (gone.status_code, gone.headers["retry-after"]) == (503, "3")
        assert "Redis cannot be used" in words(gone.text)
        assert "data-waits" in gone.text
        assert '<noscript><meta http-equiv="refresh"' in gone.text
        server.start()
        assert "There is no such recovery" in await cleo.words("/recoveries")


async def test_a_server_that_is_back_is_found_at_once(server: EmbeddedServer, cell: str) -> None:
    """One request finds out that it was gone; no other fails for a connection of before."""
    async with House.open(Settings(redis_url=server.url, cell=cell)) as house:
        cleo = await house.visitor("cleo")
        await asyncio.gather(*(cleo.get("/recoveries") for _ in range(8)))
        server.stop()
        server.start()
        await cleo.get("/recoveries")
        seen = await asyncio.gather(*(cleo.get("/recoveries") for _ in range(8)))
    assert [response.status_code for response in seen] == [200] * 8


class _Links(HTMLParser):
    """What a page links to, loads, asks and names."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.count: dict[str, int] = {}
        self.fields = set[str]()
        self.labels = set[str]()
        self.ids = set[str]()
        self.doubled = set[str]()

    @classmethod
    def read(cls, page: str) -> _Links:
        found = cls()
        found.feed(page)
        return found

    @classmethod
    def named(cls, page: str, name: str) -> str:
        """Where the link of an id leads; empty when there is none."""
        found = re.search(rf'id="{name}" href="([^"]*)"', page)
        return unescape(found[1]) if found else ""

    @classmethod
    def of(cls, page: str) -> list[str]:
        return cls.read(page).links

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [v for n in ("href", "src", "action") if (v := given.get(n)) is not None]
        name = given.get("id") or ""
        if name:
            (self.doubled if name in self.ids else self.ids).add(name)
        if tag == "label" and given.get("for"):
            self.labels.add(given["for"] or "")
        hidden = given.get("type") in {"hidden", "radio"}
        if tag in {"input", "select", "textarea"} and not hidden:
            self.fields.add(name)

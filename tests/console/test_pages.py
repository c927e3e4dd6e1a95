"""What pages say, and how: what is escaped, what headers forbid, and what becomes of a failure."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from antiphon import Publisher, Settings
from antiphon.broker.errand import Errand
from antiphon.broker.server import EmbeddedServer
from antiphon.console.loglines import lines_about
from antiphon.console.pages import audit
from antiphon.console.rendering import STATIC
from antiphon_events import ServiceFailed
from console_shop import opened_shop
from consoles import House, Visitor, words
from links import Links
from listed import published
from support import until
from witness import Witness, running

NASTY = "<script>alert(1)</script>\u202e\x1b[31m'\"&"
ALL = (
    "/recoveries", "/approvals", "/letters", "/guards", "/pauses", "/escalations", "/map", "/audit",
)  # fmt: skip


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
    monkeypatch.setattr(audit, "latest", None)
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
    assert all(link.startswith(("/", "#")) for link in Links.of(page))
    assert "<style" not in page
    assert ' style="' not in page
    assert " onclick" not in page


@pytest.mark.parametrize("path", [*ALL, "/login"])
async def test_pages_can_be_read_aloud(house: House, path: str) -> None:
    """Each has a language, a title, one main heading, landmarks, and a label for every field."""
    visitor = house.stranger() if path == "/login" else await house.visitor("ana")
    found = Links.read(await visitor.page(path))
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

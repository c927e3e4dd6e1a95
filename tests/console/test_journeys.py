"""Journeys of people through the console, in a real browser, with a real server and real workers.

What they see is kept as pictures, in the folder that ANTIPHON_ARTEFACTS names or in pytest's own.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from antiphon import Publisher, Settings
from antiphon.broker.auditing import latest
from antiphon.broker.errand import Errand
from antiphon.broker.server import EmbeddedServer
from antiphon_events import DatabaseFailed, ServiceFailed
from browsing import (
    PHONE,
    ConsoleProcess,
    Guest,
    browser_at,
    end,
    guest,
    run_chromium,
    run_console,
    run_worker,
    tokens_file,
)
from debian import INSTALLING_SECONDS
from leaks import lasts
from witness import Witness

_ARTEFACTS = Path(kept) if (kept := os.environ.get("ANTIPHON_ARTEFACTS")) else None
"""Read now: tests do not see the developer's own settings."""

pytestmark = pytest.mark.timeout(INSTALLING_SECONDS + 120)

PATHS = (
    "/recoveries", "/approvals", "/letters", "/guards", "/pauses", "/escalations", "/map", "/audit",
)  # fmt: skip


@dataclass(frozen=True)
class Town:
    """A cell at work, its console and a browser: they last, each journey has its own subject."""

    settings: Settings
    process: ConsoleProcess
    tokens: dict[str, str]
    repaired: Path
    chromium: str


@dataclass(frozen=True)
class Journey:
    """One journey through the town."""

    town: Town
    witness: Witness
    browser: Browser
    subject: str
    pictures: Path

    def guest(self, **options: Any) -> AbstractAsyncContextManager[Guest]:
        """Somebody who comes along."""
        return guest(self.browser, self.town.process.base, self.pictures, **options)

    def token(self, name: str) -> str:
        return self.town.tokens[name]

    async def fails(self, event: DatabaseFailed | ServiceFailed) -> str:
        """Publish a failure; returns the correlation id of its recovery."""
        async with Publisher(self.town.settings, source="probe") as publisher:
            return (await publisher.publish(event)).correlation_id

    async def waits(self) -> str:
        """Have a recovery wait for people."""
        correlation_id = await self.fails(DatabaseFailed(subject=self.subject))
        await self.witness.told(correlation_id, "asked")
        return correlation_id

    async def dies(self) -> str:
        """Have a recovery fail."""
        correlation_id = await self.fails(ServiceFailed(subject=self.subject))
        await self.witness.closed(correlation_id, verdict="failed")
        return correlation_id


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town on a server of its own: others look at all that the shared one does."""
    folder = tmp_path_factory.mktemp("town")
    server = EmbeddedServer(folder / "server", durability="none")
    server.start()
    lasts(server.pid)
    settings = Settings(redis_url=server.url, cell="town")
    tokens, made = tokens_file(folder)
    repaired = folder / "repaired"
    with ExitStack() as stack:
        stack.callback(server.stop)

        def stays(process: subprocess.Popen[bytes]) -> None:
            stack.callback(end, process)
            lasts(process.pid)

        worker = run_worker(settings, folder, "console_shop:shop", SHOP_REPAIRED=str(repaired))
        stays(worker)
        given = {"ANTIPHON_CONSOLE_TOKENS": str(tokens)}
        process = run_console(settings, folder, "--logs", str(folder / "worker.log"), **given)
        stays(process.process)
        chromium, address = run_chromium(folder)
        stays(chromium)
        yield Town(settings, process, made, repaired, address)


@pytest.fixture
async def journey(
    town: Town, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Journey]:
    pictures = _ARTEFACTS / "console" if _ARTEFACTS else tmp_path / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    name = f"orders-{abs(hash(request.node.name)) % 10_000}"
    town.repaired.unlink(missing_ok=True)
    async with Witness.open(town.settings) as witness, browser_at(town.chromium) as browser:
        yield Journey(town, witness, browser, name, pictures)


async def test_a_stuck_recovery_is_found_understood_and_let_go_on(journey: Journey) -> None:
    """An operator sees which one is stuck and why, approves, and watches it end by itself."""
    await journey.dies()
    stuck = await journey.waits()
    async with journey.guest() as ana:
        page = ana.page
        await ana.sign_in(journey.token("ana"))
        await page.get_by_label("Status").select_option("open")
        await page.get_by_role("button", name="Filter").click()
        row = page.get_by_role("row").filter(has_text=journey.subject)
        await expect(row).to_contain_text("waits for approval: shop.restore")
        await ana.picture("recoveries")
        await row.get_by_role("link").click()
        await expect(page.locator("#waits")).to_contain_text("by ana, ben or cleo until")
        await expect(page.locator("#waterfall svg")).to_be_visible()
        await ana.picture("stuck")
        await page.locator("#waits").get_by_label("Reason").fill("the backup is fresh")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_role("status").first).to_contain_text("Approved by ana")
        await page.evaluate("window.stayed = true")
        await expect(page.locator("#state")).to_contain_text("completed")
        await expect(page.locator("#waits")).to_contain_text("Nothing: it is over.")
        await expect(page.locator("#news")).to_contain_text(f"{journey.subject}: completed")
        assert await page.evaluate("window.stayed"), "it was loaded again by hand"
        await ana.picture("completed")
        await ana.go(f"/recovery/logs?id={stuck}")
        await expect(page.get_by_role("table")).to_contain_text("delivery.completed")
    await journey.witness.closed(stuck)


async def test_a_dead_letter_is_replayed(journey: Journey) -> None:
    """From the list; its recovery then completes."""
    failed = await journey.dies()
    async with journey.guest(color_scheme="dark") as ben:
        page = ben.page
        await ben.sign_in(journey.token("ben"))
        await page.get_by_role("link", name="Dead letters").click()
        await expect(page.get_by_role("table")).to_contain_text("has no <b>binary</b> to start")
        await ben.picture("letters-dark")
        row = page.get_by_role("row").filter(has_text=journey.subject)
        await row.get_by_role("link", name="shop.restart").click()
        await ben.picture("letter-dark")
        journey.town.repaired.touch()
        await page.get_by_label("Reason (optional)").fill("repaired")
        await page.get_by_role("button", name="Replay").click()
        await expect(page.locator("#state")).to_contain_text("completed")
        await ben.picture("replayed-dark")
        await page.get_by_role("link", name="Audit").click()
        await expect(page.get_by_role("row").nth(1)).to_contain_text("ben")
        await expect(page.get_by_role("row").nth(1)).to_contain_text("replay")
        await ben.picture("audit-dark")
    await journey.witness.closed(failed)


async def test_a_viewer_looks_and_cannot_act(journey: Journey) -> None:
    """Everything is there to read; no button is, and what is sent all the same is refused."""
    stuck = await journey.waits()
    async with journey.guest() as cleo:
        page = cleo.page
        await cleo.sign_in(journey.token("cleo"))
        for path in (*PATHS, f"/recovery?id={stuck}"):
            await cleo.go(path)
            acting = page.get_by_role("button").filter(
                has_not_text=re.compile("Sign out|Filter|updating")
            )
            assert await acting.count() == 0, path
        await page.evaluate(
            """() => {
                const form = document.querySelector("form.who");
                form.action = "/recovery/cancel";
                form.requestSubmit();
            }"""
        )
        await expect(page.get_by_role("heading")).to_have_text("Not allowed")
        await expect(page.get_by_role("main")).to_contain_text("a viewer cannot act")
        await cleo.picture("viewer-refused")
    async with Errand.begin(journey.town.settings) as errand:
        assert "cleo" not in {deed.by for deed in await latest(errand)}


async def test_a_wrong_token_gets_nothing(journey: Journey) -> None:
    """Neither a page nor a hint; the log says that somebody tried, and not with what."""
    await journey.waits()
    async with journey.guest() as stranger:
        page = stranger.page
        await stranger.go("/recoveries")
        await expect(page).to_have_url(re.compile(r"/login\?next=%2Frecoveries$"))
        await page.get_by_label("Token").fill("antiphon_wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("This token is not known here.")
        await stranger.picture("wrong-token")
        assert journey.subject not in await page.content()
        for path in PATHS:
            await stranger.go(path)
            await expect(page.get_by_label("Token")).to_be_visible()
        assert await stranger.context.cookies() == []
    log = journey.town.process.log.read_text()
    assert "console.sign_in_refused" in log
    assert "antiphon_wrong" not in log
    assert "Traceback" not in log


async def test_a_phone_is_enough(journey: Journey) -> None:
    """Nothing is wider than the screen, and a step is approved with a thumb."""
    await journey.dies()
    stuck = await journey.waits()
    phone = {"viewport": PHONE, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
    async with journey.guest(**phone) as ana:
        page = ana.page
        await ana.go("/login")
        await ana.sign_in(journey.token("ana"))
        for path in ("/recoveries", f"/recovery?id={stuck}", *PATHS[1:]):
            await ana.go(path)
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], path
            await ana.picture(f"phone-{path.strip('/').partition('?')[0]}")
        await ana.go("/approvals")
        asked = page.get_by_role("article").filter(has_text=journey.subject)
        await asked.get_by_label("Reason").fill("seen it")
        button = asked.get_by_role("button", name="Approve")
        box = await button.bounding_box()
        assert box
        assert box["height"] >= 40
        await button.tap()
        await expect(page.get_by_role("status").first).to_contain_text("Approved by ana")
    await journey.witness.closed(stuck)


async def test_nothing_needs_a_script(journey: Journey) -> None:
    """With JavaScript off every page is whole, and links and forms do all there is to do."""
    stuck = await journey.waits()
    off = {"java_script_enabled": False}
    async with journey.guest(**off) as ana:
        page = ana.page
        await ana.sign_in(journey.token("ana"))
        await page.get_by_role("link", name=journey.subject).click()
        await page.locator("#waits").get_by_label("Reason").fill("seen it")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_role("status").first).to_contain_text("Approved by ana")
        await journey.witness.closed(stuck)
        await page.reload()
        await expect(page.locator("#state")).to_contain_text("completed")
        await page.get_by_text("The same as a table").click()
        await expect(page.get_by_role("table", name="Steps in the order")).to_be_visible()
        await ana.picture("without-script")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Token")).to_be_visible()


async def test_the_keyboard_is_enough(journey: Journey) -> None:
    """Tab leads to every control in the order of the page, its place is seen, Enter acts."""
    stuck = await journey.waits()
    async with journey.guest() as ana:
        page, keyboard = ana.page, ana.page.keyboard
        await ana.go("/login")
        await expect(page.get_by_label("Token")).to_be_focused()
        await keyboard.type(journey.token("ana"))
        await keyboard.press("Enter")
        await page.wait_for_url("**/recoveries")
        await keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        await ana.go(f"/recovery?id={stuck}")
        await keyboard.press("Tab")
        await keyboard.press("Enter")
        reason = page.locator("#waits").get_by_label("Reason")
        await _tab_to(ana, "reason-")
        await expect(reason).to_be_focused()
        await keyboard.type("seen it")
        await keyboard.press("Tab")
        approve = page.get_by_role("button", name="Approve")
        await expect(approve).to_be_focused()
        outline = await approve.evaluate("it => getComputedStyle(it).outlineStyle")
        assert outline == "solid"
        await ana.picture("keyboard")
        await keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_contain_text("Approved by ana")
        await expect(page.locator("#state")).to_contain_text("completed")
    await journey.witness.closed(stuck)


async def _tab_to(somebody: Guest, prefix: str) -> None:
    """Press Tab until the control whose id begins so has the focus."""
    page = somebody.page
    for _ in range(20):
        if (await page.evaluate("document.activeElement.id")).startswith(prefix):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {prefix}")


async def test_what_is_typed_survives_what_is_new(journey: Journey) -> None:
    """A page that looks for news takes nothing away from somebody who writes."""
    stuck = await journey.waits()
    async with journey.guest() as ana:
        page = ana.page
        await ana.sign_in(journey.token("ana"))
        await ana.go(f"/recovery?id={stuck}")
        reason = page.locator("#waits").get_by_label("Reason")
        await reason.fill("half a sen")
        before = await page.locator("#news").inner_text()
        await expect(page.locator("#news")).not_to_have_text(before)
        await expect(reason).to_have_value("half a sen")
        await expect(reason).to_be_focused()


async def test_a_link_signs_in_once(journey: Journey, tmp_path: Path) -> None:
    """Without a tokens file the console prints it: a click makes its user the operator."""
    process = await asyncio.to_thread(run_console, journey.town.settings, tmp_path)
    try:
        async with guest(journey.browser, process.base, tmp_path) as me:
            await me.page.goto(process.link)
            await me.page.get_by_role("button", name="Sign in as").click()
            await expect(me.page.get_by_role("heading", name="Recoveries")).to_be_visible()
            await expect(me.page.locator(".who")).to_contain_text("(operator)")
        async with guest(journey.browser, process.base, tmp_path) as other:
            await other.page.goto(process.link)
            await expect(other.page.get_by_label("Token")).to_be_visible()
            token = process.said.split()[-1]
            await other.sign_in(token)
            await expect(other.page.get_by_role("heading", name="Recoveries")).to_be_visible()
        assert token not in process.log.read_text()
    finally:
        end(process.process)


async def test_a_server_that_comes_back_is_seen(
    journey: Journey, server: EmbeddedServer, tmp_path: Path
) -> None:
    """An open page says that Redis is away, a new one too; it comes back by itself."""
    settings = Settings(redis_url=server.url, cell="away")
    async with Publisher(settings) as publisher:
        await publisher.publish(DatabaseFailed(subject=journey.subject))
    tokens, made = tokens_file(tmp_path)
    process = await asyncio.to_thread(
        run_console, settings, tmp_path, ANTIPHON_CONSOLE_TOKENS=str(tokens)
    )
    try:
        async with guest(journey.browser, process.base, journey.pictures) as ana:
            page = ana.page
            await ana.sign_in(made["ana"])
            await expect(page.get_by_role("table")).to_contain_text(journey.subject)
            await asyncio.to_thread(server.stop)
            await expect(page.locator("#news")).to_contain_text("does not answer")
            await expect(page.get_by_role("table")).to_contain_text(journey.subject)
            await ana.picture("away-open")
            await page.reload()
            await expect(page.get_by_role("heading")).to_have_text("Redis cannot be used")
            await ana.picture("away")
            await asyncio.to_thread(server.start)
            await expect(page.get_by_role("table")).to_contain_text(journey.subject)
    finally:
        end(process.process)

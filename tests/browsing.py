"""A real console process, and a real browser that visits it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from antiphon import Settings
from antiphon.console.tokens import Holder, new_token
from debian import program
from support import until

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1200, "height": 900}
_STARTS_WITHIN_SECONDS = 60.0
_URL = re.compile(r"https?://\S+")


@dataclass
class ConsoleProcess:
    """One `antiphon console`."""

    process: subprocess.Popen[bytes]
    out: Path
    log: Path

    @property
    def said(self) -> str:
        return self.out.read_text(encoding="utf-8")

    @property
    def base(self) -> str:
        found = _URL.search(self.said)
        assert found, self.said
        return found[0]

    @property
    def link(self) -> str:
        """The link that signs in once; empty when there is none."""
        found = re.search(r"\S+/login\?code=\S+", self.said)
        return found[0] if found else ""


def run_console(
    settings: Settings, folder: Path, *arguments: str, **environment: str
) -> ConsoleProcess:
    """Start a console at a free port, and wait until it answers."""
    out, log = folder / "console.out", folder / "console.log"
    command = ["console", "--port", "0", *arguments]
    process = _antiphon(settings, command, out, log, environment)
    _wait(lambda: b"console.ready" in log.read_bytes(), process, log)
    return ConsoleProcess(process, out, log)


def run_worker(
    settings: Settings, folder: Path, target: str, **environment: str
) -> subprocess.Popen[bytes]:
    """Start a worker, and wait until it reads."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    log = folder / "worker.log"
    given = {**environment, "PYTHONPATH": path, "ANTIPHON_SERVE": "off"}
    process = _antiphon(settings, ["run", target], folder / "worker.out", log, given)
    _wait(lambda: b"services.ready" in log.read_bytes(), process, log)
    return process


def run_chromium(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start Debian's Chromium without a window; returns where to connect to it, too."""
    log = folder / "chromium.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [
                str(program("chromium")), "--headless=new", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=said,
        )  # fmt: skip
    found: list[str] = []

    def listens() -> bool:
        found[:] = re.findall(r"DevTools listening on (ws://\S+)", log.read_text())
        return bool(found)

    _wait(listens, process, log)
    return process, found[0]


def end(process: subprocess.Popen[bytes]) -> None:
    """Have a process end, if it has not."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _antiphon(
    settings: Settings,
    command: Sequence[str],
    out: Path,
    log: Path,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    values = settings.model_dump(mode="json", include=settings.model_fields_set)
    ours = {f"ANTIPHON_{name.upper()}": str(value) for name, value in values.items()}
    with out.open("wb") as stdout, log.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "antiphon", *command],
            env={**os.environ, **ours, **environment, "PYTHONUNBUFFERED": "1"},
            stdout=stdout,
            stderr=stderr,
        )


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process is ready; there is no event loop yet."""
    asyncio.run(until(lambda: ready() or process.poll() is not None, _STARTS_WITHIN_SECONDS))
    assert process.poll() is None, log.read_text()


def tokens_file(folder: Path) -> tuple[Path, dict[str, str]]:
    """A file that lets ana and ben act and cleo look, and their tokens."""
    made = {name: new_token() for name in ("ana", "ben", "cleo")}
    roles = {"cleo": "viewer"}
    path = folder / "tokens"
    lines = [Holder.of(n, roles.get(n, "operator"), token).line for n, token in made.items()]
    path.write_text("\n".join(lines))
    return path, made


@asynccontextmanager
async def browser_at(address: str) -> AsyncIterator[Browser]:
    """Drive a browser that runs."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(address)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Guest:
    """Somebody at the console, with a browser of their own."""

    base: str
    context: BrowserContext
    page: Page
    pictures: Path

    async def sign_in(self, token: str) -> None:
        await self.page.goto(f"{self.base}/login")
        await self.page.get_by_label("Token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()

    async def go(self, path: str) -> None:
        await self.page.goto(self.base + path)

    async def picture(self, name: str) -> None:
        """Keep what is seen as an artefact."""
        await self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)


@asynccontextmanager
async def guest(
    browser: Browser, base: str, pictures: Path, **options: Any
) -> AsyncIterator[Guest]:
    """Open a browser of somebody's own; anything it complains of fails the test."""
    context = await browser.new_context(viewport=options.pop("viewport", DESKTOP), **options)
    complaints: list[str] = []
    page = await context.new_page()
    page.set_default_timeout(15_000)

    def heard(said: ConsoleMessage) -> None:
        if said.type == "error":
            complaints.append(said.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield Guest(base, context, page, pictures)
    finally:
        await context.close()
    # What the console refuses on purpose is no complaint.
    assert not [c for c in complaints if "status of 4" not in c and "status of 503" not in c]

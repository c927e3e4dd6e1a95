"""`antiphon watch`: a recovery as it goes on, in lines, in JSON and in a terminal."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.console import Console

from antiphon import PermanentError, Recovery, Service, Settings
from antiphon.broker.errand import Errand
from antiphon.broker.server import EmbeddedServer
from antiphon.broker.watching import Watch
from antiphon.trace.live import AllView
from antiphon_events import ServiceFailed, ServiceRestarted
from program import antiphon
from scripted import ScriptedCell, handler
from support import until
from witness import Witness, running


def shop(settings: Settings, may: asyncio.Event) -> Service:
    """A service that is half done until it may go on."""
    found = Service("shop", settings=settings)

    @found.on(ServiceFailed)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted:
        await recovery.progress(0.5, "copying rows")
        await may.wait()
        if failed.subject == "doomed":
            raise PermanentError("no disk")
        return ServiceRestarted(subject=failed.subject, pid=1)

    return found


def _interruptible() -> None:
    """Undo what a shell does to programs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@asynccontextmanager
async def watching(
    settings: Settings, *arguments: str, stdout: int = asyncio.subprocess.PIPE
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command, and end it whatever happens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "antiphon",
        "watch",
        *arguments,
        "--url",
        str(settings.redis_url),
        "--cell",
        settings.cell,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=_interruptible,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read_until(process: asyncio.subprocess.Process, words: str) -> list[str]:
    """Read lines up to the one that holds the words."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(30):
        while not lines or words not in lines[-1]:
            line = await process.stdout.readline()
            assert line, (lines, await process.stderr.read() if process.stderr else b"")
            lines.append(line.decode().rstrip())
    return lines


async def test_a_line_for_each_change_until_it_closes(settings: Settings, witness: Witness) -> None:
    """What is no terminal gets lines; the exit status is that of the verdict."""
    may, doomed = asyncio.Event(), Service("publisher", settings=settings)
    async with running(shop(settings, may), doomed):
        receipt = await doomed.publish(ServiceFailed(subject="doomed"))
        async with watching(settings, receipt.correlation_id) as process:
            lines = await read_until(process, "50% copying rows")
            assert "  opened  service.failed doomed" in lines[0]
            may.set()
            lines = await read_until(process, "closed")
            assert any("died  shop.restart  PermanentError: no disk" in line for line in lines)
            assert await process.wait() == 1
    await witness.closed(receipt.correlation_id, verdict="failed")


async def test_json_lines_are_the_rows_of_the_ledger(settings: Settings) -> None:
    """A recovery that is over is told from its beginning, and the command ends."""
    may = asyncio.Event()
    may.set()
    async with running(service := shop(settings, may)):
        receipt = await service.publish(ServiceFailed(subject="orders"))
        async with watching(settings, receipt.correlation_id, "--json") as process:
            assert process.stdout is not None
            told = [json.loads(line) async for line in process.stdout]
            assert await process.wait() == 0
    assert [one["kind"] for one in told] == [
        "opened",
        "published",
        "started",
        "progress",
        "completed",
        "published",
        "closed",
    ]
    assert {one["correlation_id"] for one in told} == {receipt.correlation_id}


async def test_all_open_recoveries_are_followed_until_ctrl_c(settings: Settings) -> None:
    """One that begins later is told as well; the interrupt is a clean end."""
    may = asyncio.Event()
    async with running(service := shop(settings, may)):
        first = await service.publish(ServiceFailed(subject="orders"))
        async with watching(settings) as process:
            await read_until(process, f"{first.correlation_id}  ")
            second = await service.publish(ServiceFailed(subject="web"))
            await read_until(process, f"{second.correlation_id}  ")
            may.set()
            lines = await read_until(process, "closed")
            lines += await read_until(process, "closed")
            assert sum("closed  completed" in line for line in lines) == 2
            process.send_signal(signal.SIGINT)
            _, complaints = await process.communicate()
            assert (process.returncode, complaints) == (0, b"")


async def test_a_terminal_gets_a_picture_with_a_progress_bar(settings: Settings) -> None:
    """It is drawn again as the recovery goes on, and stays when it is over."""
    may = asyncio.Event()
    ours, theirs = pty.openpty()
    seen = bytearray()
    os.set_blocking(ours, False)

    def look() -> str:
        with suppress(BlockingIOError, OSError):
            seen.extend(os.read(ours, 65536))
        return seen.decode(errors="replace")

    try:
        async with running(service := shop(settings, may)):
            receipt = await service.publish(ServiceFailed(subject="orders"))
            async with watching(settings, receipt.correlation_id, stdout=theirs) as process:
                await until(lambda: "copying rows" in look() and "━" in look(), 30)
                may.set()
                async with asyncio.timeout(30):
                    assert await process.wait() == 0
        assert "COMPLETED" in look()
    finally:
        os.close(ours)
        os.close(theirs)


async def test_how_many_are_open_is_told_when_not_all_are_followed(settings: Settings) -> None:
    """In the head of the picture, and on standard error beside lines."""
    async with Errand.begin(settings) as errand:
        work = ScriptedCell(errand)
        await work.deploy(handler(ServiceFailed, name="orders.restore"))
        for number in range(52):
            await work.publish(ServiceFailed(subject=f"db-{number}"))
        follow = Watch(errand.client, errand.keys)
        await follow.look(await follow.open(50))
        traces = [one.trace(follow.now) for one in follow.watched.values()]
        console = Console(width=100, height=14, file=io.StringIO(), record=True)
        console.print(AllView(traces, there_are=follow.there_are))
        shown = console.export_text()
        assert "52 open recoveries, the 50 longest open are followed" in shown
        assert "and 42 more" in shown
        async with watching(settings, "--json") as process:
            await read_until(process, "db-49")
            assert process.stderr is not None
            complaint = (await process.stderr.readline()).decode()
    assert complaint.startswith(
        "antiphon: 52 recoveries are open; the 50 longest open are followed"
    )


async def test_an_unknown_recovery_is_refused(settings: Settings) -> None:
    """With the remedy, as by `antiphon trace`."""
    ended = await antiphon(settings, "watch", "unheard-of")
    assert ended.status == 2
    assert "no recovery 'unheard-of' is recorded" in ended.complaint


async def test_a_server_that_comes_back_is_read_on(server: EmbeddedServer) -> None:
    """It says that the server is away and that it is back, and tells nothing twice."""
    settings, may = Settings(redis_url=server.url, cell="watched"), asyncio.Event()
    async with running(service := shop(settings, may)):
        receipt = await service.publish(ServiceFailed(subject="orders"))
        async with watching(settings, receipt.correlation_id, "--json") as process:
            lines = await read_until(process, '"progress"')
            server.kill()
            lines += await read_until(process, '"watch.interrupted"')
            server.restart()
            lines += await read_until(process, '"watch.resumed"')
            may.set()
            lines += await read_until(process, '"closed"')
            assert await process.wait() == 0
    told = [json.loads(line)["kind"] for line in lines]
    assert told.count("opened") == told.count("progress") == told.count("closed") == 1

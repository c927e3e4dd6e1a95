"""FastStream is the host: what its users know works with a service's handlers."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import structlog
from faststream import BaseMiddleware, Context, Depends, FastStream
from faststream.message import StreamMessage
from faststream.redis import RedisBroker
from pydantic import BaseModel

from antiphon import Publisher, Recovery, Retry, Service, Settings, all_of
from antiphon.flow.join import Joined
from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    Failure,
    ServiceFailed,
    ServiceRestarted,
)
from support import until
from witness import Witness, rows, running


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """An application sets logging up for its process; here it must not outlast the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Cause(BaseModel):
    text: str = ""


class ReopenFailed(Failure):
    """The shop could not be opened again."""

    type = "reopen.failed"
    because: Cause = Cause()


class Backups:
    def __init__(self) -> None:
        self.latest = "monday"


def backups() -> Backups:
    return Backups()


def latest(known: Annotated[Backups, Depends(backups)]) -> str:
    return known.latest


async def test_dependencies_are_injected(settings: Settings, witness: Witness) -> None:
    """Depends and Context fill in parameters beside the event and the recovery."""
    ops = Service("ops", settings=settings)
    given: list[tuple[object, ...]] = []

    @ops.on(ServiceFailed)
    async def restore(
        failed: ServiceFailed,
        recovery: Recovery,
        backup: Annotated[str, Depends(latest)],
        message: Annotated[StreamMessage[Any], Context()],
        *,
        retries: int = 3,
        tool: str = Context(),
    ) -> DatabaseRestored:
        given.append((failed, recovery.attempt, backup, message.correlation_id, tool, retries))
        return DatabaseRestored(subject=failed.subject)

    ops.app.context.set_global("tool", "pg_restore")
    event = ServiceFailed(subject="db", reason="killed")
    async with running(ops):
        receipt = await ops.publish(event)
        await witness.closed(receipt.correlation_id)
    assert given == [(event, 1, "monday", receipt.correlation_id, "pg_restore", 3)]
    assert len(await witness.entries("database.restored")) == 1


async def test_sync_handlers_and_joins_are_injected_too(
    settings: Settings, witness: Witness
) -> None:
    """Injection is the same for a handler in a thread, and for one that waits for a join."""
    ops = Service("ops", settings=settings)
    given: list[tuple[object, ...]] = []

    @ops.on(ServiceFailed)
    def warm(
        failed: ServiceFailed, backup: Annotated[str, Depends(latest)]
    ) -> list[CacheWarmed | DatabaseRestored]:
        given.append((backup,))
        return [CacheWarmed(subject="cache"), DatabaseRestored(subject="db")]

    @ops.on(all_of(CacheWarmed, DatabaseRestored))
    async def reopen(both: Joined, backup: Annotated[str, Depends(latest)]) -> None:
        given.append((len(both), backup))

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="db"))
        await witness.closed(receipt.correlation_id)
    assert given == [("monday",), (2, "monday")]


class Watching(BaseMiddleware):
    """Notes what passes through, and how it ended."""

    seen: list[str]

    async def consume_scope(
        self,
        call_next: Callable[[StreamMessage[Any]], Awaitable[Any]],
        msg: StreamMessage[Any],
    ) -> Any:
        self.seen.append(f"begin {msg.headers['type']}")
        try:
            return await call_next(msg)
        except ValueError as error:
            self.seen.append(f"error {error}")
            raise
        finally:
            self.seen.append("end")


@pytest.mark.parametrize("added", ["to the service's broker", "to the user's own broker"])
async def test_a_middleware_runs_around_the_handler(
    settings: Settings, witness: Witness, monkeypatch: pytest.MonkeyPatch, added: str
) -> None:
    """The user's middlewares see every delivery; errors pass through them and are judged after."""
    seen: list[str] = []
    monkeypatch.setattr(Watching, "seen", seen, raising=False)
    if added == "to the service's broker":
        ops = Service("ops", settings=settings)
        ops.broker.add_middleware(Watching)
    else:
        broker = RedisBroker(settings.redis_url or "", middlewares=[Watching])
        ops = Service("ops", settings=settings, broker=broker)

    @ops.on(ServiceFailed, retry=Retry(attempts=2, first="10ms"))
    async def restart(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted:
        seen.append(f"attempt {recovery.attempt}")
        if recovery.attempt == 1:
            raise ValueError("not yet")
        return ServiceRestarted(subject=failed.subject)

    async with running(ops):
        receipt = await ops.publish(ServiceFailed(subject="api"))
        record = await witness.closed(receipt.correlation_id)
    begin = "begin service.failed"
    assert seen == [begin, "attempt 1", "error not yet", "end", begin, "attempt 2", "end"]
    assert rows(record, "retried")[0].text("error") == "ValueError: not yet"
    assert len(await witness.entries("service.restarted")) == 1


def test_the_document_names_channels_and_payloads(settings: Settings) -> None:
    """AsyncAPI shows which events a service reacts to and publishes, with their schemas."""
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed, ReopenFailed)
    async def restart(event: ServiceFailed | ReopenFailed) -> ServiceRestarted:
        """Restart what failed."""
        return ServiceRestarted(subject=event.subject)

    @ops.on(all_of(ServiceRestarted.about("api"), ServiceRestarted.about("db")))
    async def reopen(both: Joined) -> ServiceRestarted | ReopenFailed:
        return ServiceRestarted(subject="web")

    document = ops.app.schema.to_specification().to_jsonable()
    assert document["info"]["title"] == "ops"
    read, told = (
        {
            name.split(":", 2)[-1]
            for name, operation in document["operations"].items()
            if operation["action"] == action
        }
        for action in ("receive", "send")
    )
    assert read == {
        "service.failed:ops.restartSubscribe",
        "reopen.failed:ops.restartSubscribe",
        "service.restarted:ops.reopenSubscribe",
    }
    assert told == {
        "service.restarted:ops.restart:Publisher",
        "service.restarted:ops.reopen:Publisher",
        "reopen.failed:ops.reopen:Publisher",
    }
    addresses = {channel["address"] for channel in document["channels"].values()}
    types = ("service.failed", "service.restarted", "reopen.failed")
    assert addresses == {f"{{{settings.cell}}}:events:{event_type}" for event_type in types}
    schemas = document["components"]["schemas"]
    assert set(schemas["ServiceFailed"]["properties"]) == {"reason"}
    assert set(schemas["ReopenFailed"]["properties"]) == {"reason", "because"}
    assert set(schemas["Cause"]["properties"]) == {"text"}
    assert "Restart what failed." in str(document)


async def test_it_is_mounted_in_an_application(settings: Settings, witness: Witness) -> None:
    """A service runs in the user's own FastStream app, beside the user's own subscribers."""
    ops = Service("ops", settings=settings)
    heard: asyncio.Queue[str] = asyncio.Queue()
    channel = f"{settings.cell}-gossip"

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        await ops.broker.publish(f"{failed.subject} again", channel=channel)

    @ops.broker.subscriber(channel)
    async def gossip(text: str) -> None:
        heard.put_nowait(text)

    app = FastStream(logger=None)
    app.add_broker(ops.broker)
    await app.start()
    try:
        async with Publisher(settings) as publisher:
            receipt = await publisher.publish(ServiceFailed(subject="api"))
            await witness.closed(receipt.correlation_id)
        assert await heard.get() == "api again"
    finally:
        await app.stop()


async def test_faststream_run_runs_it(settings: Settings, witness: Witness, tmp_path: Path) -> None:
    """`faststream run module:service.app` is all it takes, and Ctrl-C ends it in order."""
    log = tmp_path / "log"
    environment = {"ANTIPHON_REDIS_URL": settings.redis_url or "", "ANTIPHON_CELL": settings.cell}
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: ASYNC220  waited for below, as any condition
            [sys.executable, "-m", "faststream", "run", "hosted:ops.app"],
            env={**os.environ, **environment},
            cwd=Path(__file__).parents[1],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        await until(lambda: b"handler.listening" in log.read_bytes(), 60)
        async with Publisher(settings) as publisher:
            receipt = await publisher.publish(ServiceFailed(subject="api"))
            await witness.closed(receipt.correlation_id)
        process.send_signal(signal.SIGINT)
        await until(lambda: process.poll() is not None, 30)
        assert process.returncode == 0, log.read_bytes()
    finally:
        process.kill()
        process.wait()
    assert len(await witness.entries("service.restarted")) == 1

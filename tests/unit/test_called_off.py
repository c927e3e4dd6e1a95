"""What repeats itself ends when it is cancelled, also when the client loses the cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Disconnected

from antiphon.broker.contact import Contact
from antiphon.broker.gather import Gatherer
from antiphon.broker.reader import Reader, Room
from antiphon.broker.scripts import Call, script
from antiphon.broker.wire import Wire
from antiphon.duties.loop import Loop

_PATIENCE_SECONDS = 5


class Forgetful:
    """A client that connects in vain, and forgets that it was cancelled while it did."""

    def __init__(self) -> None:
        self.connecting = asyncio.Event()
        self.forgets: type[BaseException] = asyncio.CancelledError

    async def connect(self, *_: object, **__: object) -> Any:
        self.connecting.set()
        with suppress(self.forgets):
            await asyncio.sleep(0.01)
        raise Disconnected("nobody there")

    async def let_go(self, *_: object) -> None:
        """There is no connection to close."""

    client_id = time = xreadgroup = connect


class Chore:
    """A duty that asks the server."""

    name = "chore"
    every = timedelta(milliseconds=1)

    def __init__(self, client: Forgetful) -> None:
        self.once: Callable[[], Any] = client.connect


async def _restore(_: bool) -> None:  # noqa: FBT001 - the reader's callback
    """Nothing was lost."""


def _duty(client: Forgetful) -> None:
    Loop(Chore(client)).start()


def _reader(client: Forgetful) -> None:
    Reader(
        cast("Redis", client),
        group="orders.restore",
        consumer="w1",
        streams=["events"],
        block=timedelta(seconds=1),
        room=Room(1),
        start=lambda *_: None,
        restore=_restore,
    ).begin()


def _contact(client: Forgetful) -> None:
    _tasks.append(asyncio.create_task(Contact(cast("Redis", client)).keep()))


_tasks: list[asyncio.Task[Any]] = []


@pytest.mark.parametrize("begin", [_duty, _reader, _contact])
async def test_a_cancellation_that_is_lost_counts(
    begin: Callable[[Forgetful], None],
) -> None:
    """Whoever ends a program cancels what is left once, and waits for it."""
    client, before = Forgetful(), asyncio.all_tasks()
    begin(client)
    await client.connecting.wait()
    begun = asyncio.all_tasks() - before
    assert begun
    for task in begun:
        task.cancel()
    _, left = await asyncio.wait(begun, timeout=_PATIENCE_SECONDS)
    lasting, client.forgets = set(left), KeyError
    while left:  # so that nobody after us is kept waiting
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
    assert not lasting


async def test_calls_can_be_let_go_of_while_they_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stops while its server is away ends all the same."""
    client = Forgetful()
    monkeypatch.setattr(Wire, "__init__", lambda *_: None)
    monkeypatch.setattr(Wire, "round_trip", client.connect)
    monkeypatch.setattr(Wire, "aclose", client.let_go)
    gatherer = Gatherer(cast("Redis", client))
    calling = asyncio.create_task(gatherer.run(Call(script("admit"), (), ())))
    await client.connecting.wait()
    closing = asyncio.create_task(gatherer.aclose())
    done, _ = await asyncio.wait([closing], timeout=_PATIENCE_SECONDS)
    calling.cancel()
    await asyncio.gather(calling, closing, return_exceptions=True)
    assert done

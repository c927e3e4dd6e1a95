"""A cell whose handlers have guards: other settings, other workers, and time that a test sets.

The scripts read the server's clock. Where a test has to be exact it gives them one of its own,
which stands still until the test moves it; everything else about them stays as it is.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from antiphon.broker import scripts
from antiphon.broker.calls import Lease
from antiphon.broker.incidents import Incidents
from antiphon.broker.replies import (
    Admission,
    Committed,
    OnHold,
    Run,
    Settlement,
    Suppressed,
    admission,
)
from antiphon.broker.scripts import Call
from antiphon.delivery import Delivery
from antiphon.executor import Executor
from antiphon.handler import Handler
from antiphon.settings import Settings
from antiphon_events import Event, ServiceFailed
from scripted import ALICE, ScriptedCell, Sent

_CLOCK = """
local prefix = string.match(KEYS[1] or '', '^{[^}]*}:')
local set = prefix and redis.call('GET', prefix .. 'clock')
if set then now = tonumber(set) end
"""
_CLOCK_SECONDS = 600


@contextmanager
def edited_scripts(edit: Callable[[str, str], str]) -> Iterator[None]:
    """Run scripts from a copy of their folder; `edit` takes a file's name and text."""
    before = scripts._FOLDER
    with tempfile.TemporaryDirectory() as folder:
        for path in before.glob("*.lua"):
            text = edit(path.stem, path.read_text(encoding="utf-8"))
            (Path(folder) / path.name).write_text(text, encoding="utf-8")
        scripts._FOLDER = Path(folder)
        scripts.script.cache_clear()
        try:
            yield
        finally:
            scripts._FOLDER = before
            scripts.script.cache_clear()


@contextmanager
def clock_to_set() -> Iterator[None]:
    """Let `GuardedCell.at` and `GuardedCell.passes` say what time it is."""
    with edited_scripts(lambda name, text: text + _CLOCK if name == "clock" else text):
        yield


@dataclass(frozen=True, slots=True)
class Observation:
    """A call, seen from within its own transaction."""

    reply: Any
    instants: tuple[int, int]
    """The server's time right before it and right after it, ms."""
    before: list[dict[str, int]]
    after: list[dict[str, int]]


class GuardedCell(ScriptedCell):
    """What a test of the guards does beyond working a cell script by script."""

    now_ms: int = 0
    """What the clock was set to; 0 when it is the server's."""

    def with_settings(self, **changes: Any) -> Self:
        """The same cell, as processes with other settings work it."""
        other = copy.copy(self)
        other.settings = Settings(**{**dict(self.settings), **changes})
        return other

    async def server_ms(self) -> int:
        return _instant(await self.client.time())

    async def at(self, instant_ms: int) -> None:
        """Set the clock."""
        self.now_ms = instant_ms
        await self.client.set(f"{self.keys.prefix}clock", instant_ms, ex=_CLOCK_SECONDS)

    async def passes(self, ms: int) -> None:
        """Let time pass; the first call makes the clock stand still."""
        await self.at((self.now_ms or await self.server_ms()) + ms)

    async def fail(self, subject: str) -> Sent:
        """Publish a failure about a subject."""
        return await self.publish(ServiceFailed(subject=subject))

    async def delivered(self, h: Handler, *events: Event, by: str = ALICE) -> list[Delivery]:
        """Publish events and read them."""
        for event in events:
            await self.publish(event)
        return await self.read(h, by)

    async def hand_over(self, d: Delivery, consumer: str) -> Delivery:
        """Another worker takes a delivery up; it is not due any more."""
        group = d.handler.group
        await self.client.xclaim(d.stream, group, consumer, 0, [d.entry_id], justid=True)
        await self.client.zrem(self.keys.due(group), f"{d.label}|{d.entry_id}")
        return d

    async def ask(self, d: Delivery, consumer: str = ALICE) -> tuple[Admission, Lease]:
        """Take a delivery up and admit it; the lease holds good when it was let through."""
        await self.hand_over(d, consumer)
        owner = self.owner(consumer)
        reply = await self.admit(d, consumer, owner=owner)
        return reply, self._lease(d, owner, reply)

    async def runs(self, d: Delivery, consumer: str = ALICE) -> Lease:
        """Take a delivery up that must be let through."""
        reply, lease = await self.ask(d, consumer)
        assert isinstance(reply, Run), reply
        return lease

    async def waits(self, d: Delivery, consumer: str = ALICE) -> OnHold:
        """Take a delivery up that must be held."""
        reply, _ = await self.ask(d, consumer)
        assert isinstance(reply, OnHold), reply
        return reply

    async def ends(self, d: Delivery, consumer: str = ALICE) -> Suppressed:
        """Take a delivery up that must be given up."""
        reply, _ = await self.ask(d, consumer)
        assert isinstance(reply, Suppressed), reply
        return reply

    async def observed(self, call: Call, *zsets: str) -> Observation:
        """Run a call, and see in the same instant what it found and what it left."""
        async with self.client.pipeline(transaction=True) as pipe:
            await pipe.script_load(call.script.text)
            for look in ("before", "after"):
                pipe.time()
                for key in zsets:
                    pipe.zrange(key, 0, -1, withscores=True)
                if look == "before":
                    pipe.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
            _, *replies = await pipe.execute()
        half = len(zsets) + 1
        first, last = replies[:half], replies[half + 1 :]
        return Observation(
            reply=replies[half],
            instants=(_instant(first[0]), _instant(last[0])),
            before=[_scores(rows) for rows in first[1:]],
            after=[_scores(rows) for rows in last[1:]],
        )

    async def meet(self, d: Delivery, consumer: str = ALICE) -> tuple[Admission | None, Lease]:
        """Admit a delivery as a worker does: it may join a recovery; None when it was counted."""
        asker, calls, owner = Executor.__new__(Executor), self.calls(consumer), self.owner(consumer)
        asker._gatherer = self.gatherer
        asker._incidents = Incidents(self.gatherer, self.keys, self.settings, consumer)
        asked = await asker._ask(
            d, lambda over, named: calls.admit(d, owner, b"", over, named=named)
        )
        reply = admission(asked[1])[0] if asked else None
        return reply, self._lease(d, owner, reply)

    def _lease(self, d: Delivery, owner: str, reply: Admission | None) -> Lease:
        run = reply if isinstance(reply, Run) else Run(0, 0, 0, "", {})
        keys = self.calls().admit(d, owner, b"").keys
        return Lease(d, owner, run.attempt, run.failures, run.token, keys)

    async def hash(self, key: str) -> dict[str, str]:
        row = await self.client.hgetall(key)
        return {name.decode(): value.decode() for name, value in row.items()}

    async def zset(self, key: str) -> dict[str, int]:
        return _scores(await self.client.zrange(key, 0, -1, withscores=True))

    async def rows(self, *kinds: str) -> list[tuple[str, dict[str, str]]]:
        """The rows of these kinds in every ledger, with the recovery each belongs to."""
        found = []
        for index in (self.keys.open_recoveries, self.keys.closed_recoveries):
            for cid in await self.client.zrange(index, 0, -1):
                for _, raw in await self.client.xrange(self.keys.ledger(cid.decode())):
                    row = {name.decode(): value.decode() for name, value in raw.items()}
                    if row["kind"] in kinds:
                        found.append((cid.decode(), row))
        return found

    async def told(self) -> list[dict[str, str]]:
        """The escalations published so far, in order."""
        return [
            {name.decode(): value.decode() for name, value in fields.items()}
            for _, fields in await self.client.xrange(self.keys.events("recovery.escalated"))
        ]


def committed(reply: Settlement) -> Committed:
    """What a call answered that must have settled its delivery."""
    assert isinstance(reply, Committed)
    return reply


def _instant(reply: tuple[Any, Any]) -> int:
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000


def _scores(rows: list[tuple[bytes, float]]) -> dict[str, int]:
    return {name.decode(): int(score) for name, score in rows}

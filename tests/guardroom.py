"""Guard state as the scripts write it, for tests that look at it from outside."""

from __future__ import annotations

from typing import Any

import orjson

from antiphon.keys import Keys
from witness import Witness

HELD_UNTIL_MS = 10**14
"""Far enough in the future that no worker looks again by itself."""


class Guardroom:
    """Writes what guards would, in the formats that `docs/reference/keys.md` lists."""

    def __init__(self, witness: Witness) -> None:
        self.client: Any = witness.client
        self.keys: Keys = witness.keys

    async def now_ms(self) -> int:
        seconds, micros = await self.client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def pause(self, field: str, *, by: str = "anna", reason: str = "deploy") -> None:
        told = {"by": by, "since": await self.now_ms(), "reason": reason}
        await self.client.hset(self.keys.pauses, field, orjson.dumps(told))

    async def hold(self, guard: str, name: str, *, entry: str = "1-1", group: str = "a.b") -> None:
        """Hold one delivery of a group, which waits for its instant far away."""
        now = await self.now_ms()
        held = f"service.failed|{entry}|{group}"
        await self.client.hset(self.keys.held, held, f"{guard}|{name}|{now}")
        await self.client.zadd(self.keys.due(group), {f"service.failed|{entry}": HELD_UNTIL_MS})

    async def due(self, *, entry: str = "1-1", group: str = "a.b") -> float | None:
        score: float | None = await self.client.zscore(
            self.keys.due(group), f"service.failed|{entry}"
        )
        return score

    async def index(self, kind: str, name: str, limit: int, window: int, ends: int = 0) -> None:
        """Make a guard known, until `ends` ms from now."""
        until = await self.now_ms() + (ends or window)
        await self.client.zadd(self.keys.guards, {f"{kind}|{name}|{limit}|{window}": until})

    async def use(self, kind: str, name: str, limit: int, window: int, *ago: int) -> None:
        """Count uses of so many ms ago in a sliding window."""
        now, log = await self.now_ms(), self.keys.guard(kind, name)
        await self.client.zadd(log, {f"use#{length}": now - length for length in ago})
        await self.client.pexpire(log, window)
        await self.index(kind, name, limit, window)

    async def breaker(self, name: str, state: str, *, until: int, failures: int = 5) -> None:
        """Leave a breaker in a state; `until` is ms from now."""
        now, key = await self.now_ms(), self.keys.guard("breaker", name)
        known = {"state": state, "failures": failures, "opened": now, "until": now + until}
        await self.client.hset(key, mapping=known)
        await self.client.pexpire(key, 600_000)
        await self.index("breaker", name, 5, 60_000)

    async def escalate(self, correlation_id: str, *, subject: str, reason: str) -> None:
        """Let a recovery wait for a person, with nobody left to tell."""
        now, record = await self.now_ms(), self.keys.recovery(correlation_id)
        data = orjson.dumps({"reason": reason})
        told = {"subject": subject, "escalated": now, "tier": 2, "escalation": data}
        await self.client.hset(record, mapping=told)
        await self.client.pexpire(record, 600_000)
        await self.client.zadd(self.keys.escalations, {correlation_id: "+inf"})

    async def audit(self) -> list[dict[str, str]]:
        """What people did to the cell."""
        return [
            {name.decode(): value.decode() for name, value in row.items()}
            for _, row in await self.client.xrange(self.keys.audit)
        ]

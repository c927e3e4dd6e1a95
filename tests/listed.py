"""Recoveries for a console to list: some that are open, and many that are over."""

from __future__ import annotations

from typing import Any

from antiphon import Publisher, Settings
from antiphon.broker.errand import Errand
from antiphon_events import DatabaseFailed


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

"""Console: how long the server takes to make a page of many recoveries."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from antiphon import Publisher, Settings
from antiphon.broker.connection import opened
from antiphon.console.app import application
from antiphon.console.tokens import FixedTokens, Holder, new_token
from antiphon.keys import Keys
from antiphon_benchmarks.scenarios.scenario import Metric
from antiphon_benchmarks.site import Site
from antiphon_events import ServiceFailed

CELL = "console"
#: Pages that are thrown away: the first compiles the templates.
WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Console:
    """A page of recoveries, half of them open, asked for again and again."""

    recoveries: int
    pages: int
    name = "console"
    metrics = (
        Metric("page_ms", "page p50 ms", "lower", 1),
        Metric("page_p95_ms", "p95 ms", "lower", 1),
        Metric("cpu_ms", "console CPU ms", "lower", 1),
        Metric("commands", "commands/page", "lower"),
        Metric("page_kb", "kB", "lower"),
    )

    @property
    def about(self) -> str:
        """What was measured."""
        return (
            f"a page of {self.recoveries:,} recoveries, half of them open, made {self.pages} times "
            "in the console's process, without a network"
        )

    def measure(self, site: Site) -> Mapping[str, float]:
        """Ask for the page, one request after the other."""
        return asyncio.run(self._measure(site))

    async def _measure(self, site: Site) -> Mapping[str, float]:
        settings = Settings(redis_url=site.url, cell=CELL, storm="100000/1s")
        await self._fill(settings)
        token = new_token()
        app = application(settings, FixedTokens((Holder.of("bench", "viewer", token),)))
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://bench") as client,
        ):
            await client.post("/login", data={"token": token})
            taken: list[float] = []
            worked = 0.0
            size, before = 0, Counter[str]()
            for number in range(WARM_UP + self.pages):
                if number == WARM_UP:
                    before = Counter(site.probe.commands())
                began, busy = time.perf_counter(), time.process_time()
                page = await client.get("/recoveries", params={"limit": str(self.recoveries)})
                taken.append(time.perf_counter() - began)
                worked += (time.process_time() - busy) if number >= WARM_UP else 0
                size = len(page.content)
                if page.text.count("<tr>") != self.recoveries + 1:
                    raise RuntimeError(f"the page has {page.text.count('<tr>') - 1} recoveries")
        commands = Counter(site.probe.commands()) - before
        del commands["info"]
        measured = sorted(taken[WARM_UP:])
        return {
            "page_ms": statistics.median(measured) * 1000,
            "page_p95_ms": measured[int(len(measured) * 0.95)] * 1000,
            "cpu_ms": worked / self.pages * 1000,
            "commands": commands.total() / self.pages,
            "page_kb": size / 1000,
        } | {f"{name}_per_page": calls / self.pages for name, calls in commands.most_common()}

    async def _fill(self, settings: Settings) -> None:
        """Leave half of them open, waiting for a handler, and close the other half."""
        keys, half = Keys(settings.cell), self.recoveries // 2
        async with Publisher(settings) as publisher, opened(settings) as connection:
            client: Any = connection  # redis-py's own types speak of sync and async at once
            await client.sadd(keys.subscribers("service.failed"), "shop.restart")
            for number in range(self.recoveries):
                await publisher.publish(ServiceFailed(subject=f"orders-{number}"))
            seconds, _ = await client.time()
            names = await client.zrange(keys.open_recoveries, 0, half - 1)
            async with client.pipeline(transaction=False) as pipe:
                for name in names:
                    row = {"status": "closed", "verdict": "completed", "closed": seconds * 1000}
                    pipe.hset(keys.recovery(name.decode()), mapping=row)
                    pipe.zrem(keys.open_recoveries, name)
                    pipe.zadd(keys.closed_recoveries, {name: seconds * 1000})
                await pipe.execute()

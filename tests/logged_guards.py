"""A program in which guards decide: it logs as workers do, and prints the ids of its recoveries.

Run as ``python logged_guards.py REDIS_URL CELL``; its log lines go to standard error.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from antiphon import Breaker, Budget, Recovery, Retry, Service, Settings, TransientError
from antiphon.telemetry.logging import configure
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    RecoveryEscalated,
    ServiceDegraded,
    ServiceFailed,
    ServiceRestarted,
)
from witness import Witness, running

SOON = Retry(attempts=3, first=timedelta(milliseconds=10))
PAYMENTS = Breaker("payments-api", fail_max=1, reset_timeout="400ms")


def services(settings: Settings) -> list[Service]:
    db, cache, api, pager = (Service(n, settings=settings) for n in ("db", "cache", "api", "pager"))

    @db.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> list[DatabaseRestored]:
        return [DatabaseRestored(subject=failed.subject) for _ in range(2)]

    @cache.on(DatabaseRestored, rate="1/500ms")
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        return CacheWarmed(subject=restored.subject)

    @api.on(CacheWarmed, budget=Budget(1, per="1h", action="restart"))
    async def restart(warmed: CacheWarmed) -> ServiceRestarted:
        return ServiceRestarted(subject=warmed.subject)

    @api.on(ServiceDegraded)
    async def degrade(degraded: ServiceDegraded) -> ServiceDegraded:
        return ServiceDegraded(subject=degraded.subject)

    @api.on(CacheLost, breaker=Breaker("memory", fail_max=1, reset_timeout="300ms"), retry=SOON)
    async def refill(_: CacheLost, recovery: Recovery) -> None:
        if recovery.attempt == 1:
            raise TransientError("no memory")

    @api.on(DatabaseFailed, retry=SOON)
    async def pay(_: DatabaseFailed, recovery: Recovery) -> None:
        async with recovery.breaker(PAYMENTS):
            if recovery.attempt == 1:
                raise TransientError("no answer")

    @pager.on(RecoveryEscalated)
    async def page(_: RecoveryEscalated) -> None:
        pass

    return [db, cache, api, pager]


async def recover(settings: Settings) -> list[str]:
    shop = services(settings)
    async with running(*shop), Witness.open(settings) as witness:
        ended = []
        for failure, verdict in (
            (ServiceFailed(subject="shop"), "partial"),
            (ServiceDegraded(subject="shop"), "halted"),
            (CacheLost(subject="shop"), "completed"),
            (DatabaseFailed(subject="shop"), "completed"),
        ):
            receipt = await shop[0].publish(failure)
            await witness.closed(receipt.correlation_id, verdict=verdict)
            if verdict != "completed":
                await witness.told(receipt.correlation_id, "completed", group="pager.page")
            ended.append(receipt.correlation_id)
    return ended


if __name__ == "__main__":
    configure("json", "info", sys.stderr)
    url, cell = sys.argv[1:]
    sys.stdout.write("\n".join(asyncio.run(recover(Settings(redis_url=url, cell=cell)))))

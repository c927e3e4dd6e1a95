"""A program that recovers a shop, logs as workers do, and prints the recovery's id when it is over.

Run as ``python logged_recovery.py REDIS_URL CELL``; its log lines go to standard error.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from antiphon import PermanentError, Recovery, Service, Settings, TransientError
from antiphon.telemetry.logging import configure
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed, ServiceRestarted
from witness import Witness, running


def services(settings: Settings) -> list[Service]:
    db, cache, web, pager = (Service(n, settings=settings) for n in ("db", "cache", "web", "pager"))

    @db.on(ServiceFailed.about("db"))
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        if recovery.attempt == 1:
            raise TransientError("not yet", retry_after=timedelta(milliseconds=50))
        await recovery.progress(0.5, "copying")
        return DatabaseRestored(subject=failed.subject)

    @cache.on(DatabaseRestored)
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        return CacheWarmed(subject=restored.subject)

    @web.on(DatabaseRestored, CacheWarmed, key=lambda _: "open the web")
    async def reopen(event: DatabaseRestored | CacheWarmed) -> ServiceRestarted:
        return ServiceRestarted(subject=event.subject)

    @pager.on(ServiceFailed)
    async def page(failed: ServiceFailed) -> None:
        raise PermanentError(f"nobody to call about {failed.subject}")

    return [db, cache, web, pager]


async def recover(settings: Settings) -> str:
    shop = services(settings)
    async with running(*shop), Witness.open(settings) as witness:
        receipt = await shop[0].publish(ServiceFailed(subject="db"))
        await witness.closed(receipt.correlation_id, verdict="partial")
    return receipt.correlation_id


if __name__ == "__main__":
    configure("json", "info", sys.stderr)
    url, cell = sys.argv[1:]
    sys.stdout.write(asyncio.run(recover(Settings(redis_url=url, cell=cell))))

"""A program whose recoveries wait, branch, ask and are undone: it logs as workers do.

Run as ``python logged_flow.py REDIS_URL CELL``; it prints the ids of its recoveries, and its log
lines go to standard error.
"""

from __future__ import annotations

import asyncio
import sys

from antiphon import Approval, Recovery, Service, Settings, all_of, any_of
from antiphon.broker.approvals import Approvals
from antiphon.broker.cancelling import Cancelling
from antiphon.broker.errand import Errand
from antiphon.flow.join import Joined
from antiphon.telemetry.logging import configure
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    JoinTimedOut,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
)
from support import until
from witness import Witness, running

ANSWERS = (("ana", "go on"), ("ben", "me too"))
PATIENCE = 20.0


def services(settings: Settings) -> list[Service]:
    db, cache, api, pager = (Service(n, settings=settings) for n in ("db", "cache", "api", "pager"))

    @db.on(DatabaseFailed, approval=Approval(("ana", "ben"), quorum=2))
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
        recovery.publish(ServiceRecovered(subject=failed.subject), after="700ms")
        recovery.start(ServiceFailed(subject="child"))
        return DatabaseRestored(subject=failed.subject)

    @api.on(all_of(DatabaseRestored, CacheWarmed.about("elsewhere")), within="100ms")
    async def reopen(_: Joined) -> None:
        pass

    @api.on(any_of(DatabaseRestored, CacheWarmed))
    async def announce(_: Joined) -> None:
        pass

    @pager.on(JoinTimedOut, ChildClosed, ServiceRecovered)
    async def page(_: JoinTimedOut | ChildClosed | ServiceRecovered) -> None:
        pass

    async def stop(failed: ServiceFailed) -> None:
        pass

    @api.on(ServiceFailed, undo=stop)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted | None:
        if failed.subject == "child":
            return None
        recovery.publish(ServiceRecovered(subject=failed.subject), after="1h")
        return ServiceRestarted(subject=failed.subject)

    async def forget(lost: ServiceRestarted) -> None:
        pass

    @cache.on(ServiceRestarted, undo=forget)
    async def warm(restarted: ServiceRestarted) -> CacheLost:
        return CacheLost(subject=restarted.subject)

    return [db, cache, api, pager]


async def recover(settings: Settings) -> list[str]:
    shop = services(settings)
    async with (
        running(*shop),
        Witness.open(settings) as witness,
        Errand.begin(settings) as errand,
    ):
        asked = await shop[0].publish(DatabaseFailed(subject="shop"))
        [ask] = await until(Approvals(errand).waiting, PATIENCE)
        for who, why in ANSWERS:
            await Approvals(errand).answer(ask.id, by=who, grant=True, reason=why)
        await witness.closed(asked.correlation_id, verdict="partial")
        undone = await shop[0].publish(ServiceFailed(subject="shop"))
        await witness.told(undone.correlation_id, "completed", group="cache.warm")
        cancelling = Cancelling(errand)
        await cancelling.cancel(undone.correlation_id, by="ana", reason="maintenance")
        await witness.closed(undone.correlation_id, verdict="cancelled")
    return [asked.correlation_id, undone.correlation_id]


if __name__ == "__main__":
    configure("json", "info", sys.stderr)
    url, cell = sys.argv[1:]
    sys.stdout.write("\n".join(asyncio.run(recover(Settings(redis_url=url, cell=cell)))))

"""Parallel: independent steps answer the same event, and a join waits for both.

                                           ┌► warm ────────┐
DatabaseFailed ─► restore (approved) ─►────┤               ├─► restart web
                                           └► restart api ─┘

The cache and the api both need the database, and not each other. A stage is as long as its longest
step, and the next stage begins when all of it is done.
"""

from __future__ import annotations

from antiphon import Approval, Joined, Recovery, Service, all_of
from antiphon_events import (
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    ServiceRecovered,
    ServiceRestarted,
)
from examples import shop

orders_db = Service("orders-db")
orders_cache = Service("orders-cache")
orders_api = Service("orders-api")
web = Service("web")

SERVICES = (orders_db, orders_cache, orders_api, web)


@orders_db.on(DatabaseFailed.about("orders-db"), approval=Approval(["ana", "ben"], within="15m"))
async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
    """Go back to last night's backup: today's orders are lost, so a person agrees to it first."""
    return await shop.restore(failed, recovery)


@orders_cache.on(DatabaseRestored.about("orders-db"))
async def warm(restored: DatabaseRestored, recovery: Recovery) -> CacheWarmed:
    """Fill the cache, at the same time as the api starts."""
    return await shop.warm(restored, recovery)


@orders_api.on(DatabaseRestored.about("orders-db"))
async def restart_api(restored: DatabaseRestored, recovery: Recovery) -> ServiceRestarted:
    """Start the api again, at the same time as the cache is filled."""
    return await shop.restart("orders-api", restored, recovery)


@web.on(all_of(CacheWarmed.about("orders-cache"), ServiceRestarted.about("orders-api")))
async def restart_web(joined: Joined, recovery: Recovery) -> ServiceRecovered:
    """Start the web front again, once everything behind it is there."""
    await shop.restart("web", joined[ServiceRestarted], recovery)
    return ServiceRecovered(subject="web")

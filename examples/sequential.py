"""Sequential: each step answers the one before it, so one thing happens at a time.

DatabaseFailed ─► restore (approved) ─► warm ─► restart api ─► restart web

As easy to read as a script, and it takes as long as all its steps together.
"""

from __future__ import annotations

from antiphon import Approval, Recovery, Service
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
    """Fill the cache, which must not be done before the database is ready."""
    return await shop.warm(restored, recovery)


@orders_api.on(CacheWarmed.about("orders-cache"))
async def restart_api(warmed: CacheWarmed, recovery: Recovery) -> ServiceRestarted:
    """Start the api again, whose session with the database is lost."""
    return await shop.restart("orders-api", warmed, recovery)


@web.on(ServiceRestarted.about("orders-api"))
async def restart_web(restarted: ServiceRestarted, recovery: Recovery) -> ServiceRecovered:
    """Start the web front again, which closed itself when the api failed."""
    await shop.restart("web", restarted, recovery)
    return ServiceRecovered(subject="web")

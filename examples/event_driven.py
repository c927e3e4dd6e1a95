"""Event-driven: each service answers the event that it needs itself, and waits for nothing else.

DatabaseFailed ─► restore (approved) ─┬► warm
                                      └► restart api ─► restart web

There are no stages: the web front needs the api and starts as soon as that answers, while the cache
is still being filled. An empty cache is slow, not wrong. Nobody knows the whole, so what to do when
a step is given up is each service's own affair.
"""

from __future__ import annotations

from antiphon import Approval, Recovery, Retry, Service
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


@orders_cache.on(DatabaseRestored.about("orders-db"), rate="4/1m", timeout="1m")
async def warm(restored: DatabaseRestored, recovery: Recovery) -> CacheWarmed:
    """Fill the cache; seldom enough for a database that has just come back."""
    return await shop.warm(restored, recovery)


@orders_api.on(DatabaseRestored.about("orders-db"), budget="3/10m")
async def restart_api(restored: DatabaseRestored, recovery: Recovery) -> ServiceRestarted:
    """Start the api again; three times within ten minutes, and then a person looks."""
    return await shop.restart("orders-api", restored, recovery)


@web.on(ServiceRestarted.about("orders-api"), retry=Retry(8, first="250ms", longest="2s"))
async def restart_web(restarted: ServiceRestarted, recovery: Recovery) -> ServiceRecovered:
    """Start the web front again, as soon as the api answers; it tries for longer than others."""
    await shop.restart("web", restarted, recovery)
    return ServiceRecovered(subject="web")

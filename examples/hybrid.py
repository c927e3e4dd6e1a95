"""Hybrid: a parent recovery starts child recoveries and joins their ends.

DatabaseFailed ─► restore (approved) ─► divide ─┬► [CacheLost ─► warm] ──────────────────────┐
                                                └► [ServiceFailed ─► restart api ─► web] ────┤
                                                              ServiceRecovered ◄─ conclude ◄─┘

Sequential inside, parallel outside. Each child is a recovery in its own right, with a trace and a
verdict, and is run alone on other days: ``antiphon publish cache.lost --subject orders-cache``.
"""

from __future__ import annotations

from antiphon import Approval, Joined, PermanentError, Recovery, Service, all_of
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
)
from examples import shop

orders_db = Service("orders-db")
orders_cache = Service("orders-cache")
orders_api = Service("orders-api")
web = Service("web")
front_desk = Service("front-desk")

SERVICES = (orders_db, orders_cache, orders_api, web, front_desk)


# The parent: what the incident as a whole asks for.


@orders_db.on(DatabaseFailed.about("orders-db"), approval=Approval(["ana", "ben"], within="15m"))
async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
    """Go back to last night's backup: today's orders are lost, so a person agrees to it first."""
    return await shop.restore(failed, recovery)


@front_desk.on(DatabaseRestored.about("orders-db"))
async def divide(restored: DatabaseRestored, recovery: Recovery) -> None:
    """Start the recoveries of what stood on the database, side by side."""
    why = f"{restored.subject} went back to {restored.rows} orders"
    recovery.start(CacheLost(subject="orders-cache", reason=why))
    recovery.start(ServiceFailed(subject="orders-api", reason=why))


@front_desk.on(all_of(ChildClosed.about("orders-cache"), ChildClosed.about("orders-api")))
async def conclude(joined: Joined) -> ServiceRecovered:
    """Say that the shop is back, once both are over; if one fell short, leave it to a person."""
    for child in joined.of(ChildClosed):
        if child.verdict != "completed":
            raise PermanentError(f"the recovery of {child.subject} is {child.verdict}")
    return ServiceRecovered(subject="shop")


# One child: the cache.


@orders_cache.on(CacheLost.about("orders-cache"))
async def warm(lost: CacheLost, recovery: Recovery) -> CacheWarmed:
    """Fill the cache."""
    return await shop.warm(lost, recovery)


# The other child: the services, in the order in which they need each other.


@orders_api.on(ServiceFailed.about("orders-api"))
async def restart_api(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted:
    """Start the api again."""
    return await shop.restart("orders-api", failed, recovery)


@web.on(ServiceRestarted.about("orders-api"))
async def restart_web(restarted: ServiceRestarted, recovery: Recovery) -> ServiceRecovered:
    """Start the web front again."""
    await shop.restart("web", restarted, recovery)
    return ServiceRecovered(subject="web")

"""State machine: an event is a state, and what a handler returns is the transition.

DatabaseFailed ─► examine ─┬► DatabaseFoundSound ─► reopen ─► DatabaseReopened ──────────────┐
                           └► DatabaseFoundDamaged ─► restore (approved) ─┐                  │
                                      ┆ given up                          │                  │
                                      └► BackupRejected ─► restore older ─┤                  │
                                                           (approved)     │                  │
                                        warm ◄─ DatabaseRestored ◄────────┘                  │
                                         └► CacheWarmed ─► restart api ◄─────────────────────┘
                                                                └► restart web

A branch is a type of event, so ``antiphon graph`` draws them all, and a step that is given up is
one more. The recovery has a deadline, after which people are told. The price is the reading.
"""

from __future__ import annotations

from antiphon import Approval, Recovery, Service
from antiphon_events import (
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    Event,
    Failure,
    ServiceRecovered,
    ServiceRestarted,
)
from examples import shop

orders_db = Service("orders-db")
orders_cache = Service("orders-cache")
orders_api = Service("orders-api")
web = Service("web")

SERVICES = (orders_db, orders_cache, orders_api, web)

SETTINGS = {"recoveries": {"database.failed": {"deadline": "30s"}}}
"""In a deployment: ``ANTIPHON_RECOVERIES='{"database.failed": {"deadline": "30s"}}'``."""


class DatabaseFoundSound(Event):
    """The file is whole: only what serves it is gone."""

    type = "database.found_sound"


class DatabaseReopened(Event):
    """The file was whole, and is served again."""

    type = "database.reopened"


class DatabaseFoundDamaged(Failure):
    """The file is damaged or missing."""

    type = "database.found_damaged"


class BackupRejected(Failure):
    """The newest backup cannot be used."""

    type = "backup.rejected"


@orders_db.on(DatabaseFailed.about("orders-db"), timeout="30s")
async def examine(failed: DatabaseFailed) -> DatabaseFoundSound | DatabaseFoundDamaged:
    """Look at the file first: most failures of a database leave it whole."""
    found = await shop.examine()
    if found.sound:
        return DatabaseFoundSound(subject=failed.subject)
    return DatabaseFoundDamaged(subject=failed.subject, reason=found.damage)


@orders_db.on(DatabaseFoundSound.about("orders-db"))
async def reopen(found: DatabaseFoundSound, recovery: Recovery) -> DatabaseReopened:
    """Start what serves the file: no order is lost, so nobody is asked."""
    await shop.restart("orders-db", found, recovery)
    return DatabaseReopened(subject=found.subject)


@orders_db.on(
    DatabaseFoundDamaged.about("orders-db"),
    approval=Approval(["ana", "ben"], within="15m"),
    on_failure=BackupRejected,
)
async def restore(found: DatabaseFoundDamaged, recovery: Recovery) -> DatabaseRestored:
    """Go back to last night's backup: today's orders are lost, so a person agrees to it first."""
    return await shop.restore(found, recovery)


@orders_db.on(BackupRejected.about("orders-db"), approval=Approval(["ana", "ben"], within="15m"))
async def restore_older(rejected: BackupRejected, recovery: Recovery) -> DatabaseRestored:
    """Go back by another day, which loses more and so is asked for anew."""
    return await shop.restore(rejected, recovery, "older")


@orders_cache.on(DatabaseRestored.about("orders-db"))
async def warm(restored: DatabaseRestored, recovery: Recovery) -> CacheWarmed:
    """Fill the cache from the orders there are now."""
    return await shop.warm(restored, recovery)


@orders_api.on(CacheWarmed.about("orders-cache"), DatabaseReopened.about("orders-db"))
async def restart_api(
    ready: CacheWarmed | DatabaseReopened, recovery: Recovery
) -> ServiceRestarted:
    """Start the api again, whichever way the database came back."""
    return await shop.restart("orders-api", ready, recovery)


@web.on(ServiceRestarted.about("orders-api"))
async def restart_web(restarted: ServiceRestarted, recovery: Recovery) -> ServiceRecovered:
    """Start the web front again."""
    await shop.restart("web", restarted, recovery)
    return ServiceRecovered(subject="web")

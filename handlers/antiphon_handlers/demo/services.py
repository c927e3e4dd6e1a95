"""The shop's recovery: four services, each with one handler, and nobody in charge.

Run each beside its process, as ``antiphon run antiphon_handlers.demo.services:orders_db`` does::

    ServiceFailed(orders-db) ─► orders-db.restore ─► DatabaseRestored ─┬► orders-cache.warm ──┐
                                                                       └► orders-api.restart ─┤
                                  ServiceRecovered(web) ◄─ web.reopen ◄──── both have answered┘
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from antiphon import Joined, Recovery, Retry, Service, TransientError, all_of
from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
)
from antiphon_handlers.demo.directory import NotRunning, Role, ShopDirectory
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.demo.shop_processes import shop_process
from antiphon_handlers.http_verdict import open_client, request
from antiphon_handlers.restart_process import restart_process
from antiphon_handlers.restore_sqlite import restore_sqlite
from antiphon_handlers.warm_cache import warm_cache

PATIENT = Retry(attempts=8, first="250ms", longest="2s")
RESTORE_PAUSE = timedelta(milliseconds=60)
"""Between two pages: the shop is small, and a restore that takes a second can be watched."""

orders_db = Service("orders-db")
orders_cache = Service("orders-cache")
orders_api = Service("orders-api")
web = Service("web")

_shop = ShopDirectory.from_environment()
_owner = os.environ.get(OWNER_VARIABLE)
_database_process = shop_process(_shop, "orders-db", owner=_owner)
_restore_file = restore_sqlite(
    _shop.database,
    _shop.backup,
    quiesce=_database_process.stop,
    pages_per_step=1,
    pause=RESTORE_PAUSE,
)
_restart_database = restart_process(_database_process)


@orders_db.on(ServiceFailed.about("orders-db"), retry=PATIENT, timeout="1m")
async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
    """Bring the file back from its backup, then the process that serves it."""
    restored = await _restore_file(failed, recovery)
    await _restart_database(failed, recovery)
    return restored


async def _orders() -> dict[str, Any]:
    """Read every order, keyed as orders-api looks for it in the cache."""
    async with open_client(_url("orders-db")) as database:
        session = (await request(database, "POST", "/sessions"))["session"]
        answer = await request(database, "GET", "/orders", headers={"Session": session})
        return {str(order["id"]): order for order in answer["orders"]}


orders_cache.on(DatabaseRestored.about("orders-db"), retry=PATIENT, timeout="1m")(
    warm_cache(
        _orders,
        lambda: _url("orders-cache"),
        subject="orders-cache",
        generations=True,
    )
)

orders_api.on(DatabaseRestored.about("orders-db"), retry=PATIENT, timeout="1m")(
    restart_process(shop_process(_shop, "orders-api", owner=_owner), subject="orders-api")
)


@web.on(
    all_of(CacheWarmed.about("orders-cache"), ServiceRestarted.about("orders-api")),
    retry=PATIENT,
    timeout="1m",
)
async def reopen(joined: Joined, recovery: Recovery) -> ServiceRecovered:
    """Open the front page again, now that what it needs is warm and running."""
    async with open_client(_url("web")) as front:
        wanted = {"api": joined[ServiceRestarted].url, "token": recovery.token}
        answer = await request(front, "PUT", "/maintenance", json=wanted)
    return ServiceRecovered(subject="web", downtime_ms=answer["closed_ms"])


def _url(role: Role) -> str:
    try:
        return _shop.url(role)
    except NotRunning as error:
        raise TransientError(str(error)) from error

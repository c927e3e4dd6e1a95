"""Two services, each right by itself: it restarts its process, and tells what that broke.

ServiceFailed(orders-api) ─► orders-api.restart ─► ServiceFailed(orders-cache)
            ▲                                                   │
            └────────────── orders-cache.restart ◄──────────────┘
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

from antiphon import Recovery, Service
from antiphon_events import ServiceFailed, ServiceRestarted
from antiphon_handlers.demo.directory import Role, ShopDirectory
from antiphon_handlers.demo.guards.ailing import RIVALRY, ailing_process
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.process import ManagedProcess
from antiphon_handlers.restart_process import restart_process

SEEN_WITHIN_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.05

Completions = list[ServiceRestarted | ServiceFailed]

orders_api = Service("orders-api")
orders_cache = Service("orders-cache")

_shop = ShopDirectory.from_environment()
_owner = os.environ.get(OWNER_VARIABLE)


def _restart(
    role: Role, neighbour: Role
) -> Callable[[ServiceFailed, Recovery], Coroutine[Any, Any, Completions]]:
    """Return a handler that restarts one service, and looks after the one beside it."""
    restart_it = restart_process(ailing_process(_shop, role, RIVALRY, owner=_owner))
    beside = ailing_process(_shop, neighbour, RIVALRY, owner=_owner)

    async def restart(failed: ServiceFailed, recovery: Recovery) -> Completions:
        restarted = await restart_it(failed, recovery)
        if not await _ends(beside):
            return [restarted]
        return [restarted, ServiceFailed(subject=neighbour, reason=beside.last_words())]

    return restart


async def _ends(process: ManagedProcess) -> bool:
    """Whether a process ends while we look."""
    for _ in range(round(SEEN_WITHIN_SECONDS / LOOK_EVERY_SECONDS)):
        record = process.record()
        if record is None or not record.alive():
            return True
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return False


orders_api.on(ServiceFailed.about("orders-api"), timeout="1m")(
    _restart("orders-api", "orders-cache")
)
orders_cache.on(ServiceFailed.about("orders-cache"), timeout="1m")(
    _restart("orders-cache", "orders-api")
)

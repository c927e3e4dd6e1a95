"""A service for the console to show: steps that wait for people, that work, and that die."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from antiphon import Approval, PermanentError, Recovery, Service, Settings
from antiphon_events import (
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    ServiceFailed,
    ServiceRestarted,
)


def opened_shop(settings: Settings | None, is_repaired: Callable[[], bool]) -> Service:
    """Make the service; while it is not repaired, restarting fails for good."""
    service = Service("shop", settings=settings)

    @service.on(
        DatabaseFailed, approval=Approval(("ana", "ben", "cleo"), within="1h", otherwise="deny")
    )
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
        await recovery.progress(0.5, "half of the tables")
        await asyncio.sleep(0.3)
        return DatabaseRestored(subject=failed.subject)

    @service.on(DatabaseRestored)
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        return CacheWarmed(subject="orders-cache")

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        if not is_repaired():
            raise PermanentError(f"{failed.subject} has no <b>binary</b> to start")
        return ServiceRestarted(subject=failed.subject)

    return service


shop = opened_shop(None, Path(os.environ.get("SHOP_REPAIRED", "repaired")).exists)
"""What `antiphon run` is given in journeys."""

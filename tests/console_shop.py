"""What `antiphon run` is given in journeys through the console: steps that wait, work and die."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from antiphon import Approval, PermanentError, Recovery, Retry, Service
from antiphon_events import (
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    ServiceFailed,
    ServiceRestarted,
)

REPAIRED = Path(os.environ.get("SHOP_REPAIRED", "repaired"))
"""While there is no such file, restarting fails for good."""

shop = Service("shop")


@shop.on(DatabaseFailed, approval=Approval(("ana", "ben", "cleo"), within="1h", otherwise="deny"))
async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
    await recovery.progress(0.5, "half of the tables")
    await asyncio.sleep(0.3)
    return DatabaseRestored(subject=failed.subject)


@shop.on(DatabaseRestored)
async def warm(restored: DatabaseRestored) -> CacheWarmed:
    return CacheWarmed(subject="orders-cache")


@shop.on(ServiceFailed, retry=Retry(2, first="50ms"), budget=None)
def restart(failed: ServiceFailed) -> ServiceRestarted:
    if not REPAIRED.exists():
        raise PermanentError(f"{failed.subject} has no <b>binary</b> to start")
    return ServiceRestarted(subject=failed.subject)

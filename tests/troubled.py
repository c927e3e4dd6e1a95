"""Services in trouble: what `antiphon run` is given where a test wants every alert to fire.

Each handler is in one kind of trouble, whatever the event is about.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from antiphon import Approval, Breaker, Budget, Retry, Service, TransientError
from antiphon.errors import PermanentError
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    DependencyUnavailable,
    ServiceDegraded,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
    ServiceUnhealthy,
)

SLOW_SECONDS = 1.5
LONG_SECONDS = 600
"""Longer than any test."""

_AGAIN = Retry(attempts=2, first=timedelta(milliseconds=10))

shop, stuck = Service("shop"), Service("stuck")


@shop.on(ServiceFailed)
async def restart(failed: ServiceFailed) -> ServiceRestarted:
    """Takes long, and does not hold: whoever publishes it again sees a relapse."""
    await asyncio.sleep(SLOW_SECONDS)
    return ServiceRestarted(subject=failed.subject)


@shop.on(ServiceDegraded, retry=_AGAIN)
async def scale(_: ServiceDegraded) -> None:
    """Fails, is tried again, and fails for good."""
    raise TransientError("no machine is left")


@shop.on(ServiceUnhealthy)
async def replace(_: ServiceUnhealthy) -> None:
    """Fails at once."""
    raise PermanentError("no such service")


@shop.on(DatabaseFailed, approval=Approval(("ana",)))
async def restore(_: DatabaseFailed) -> None:
    """Waits to be agreed to, past any deadline."""


@shop.on(CacheLost)
async def warm(lost: CacheLost) -> CacheLost:
    """Loses what it warms, and so on in circles."""
    return CacheLost(subject=lost.subject)


@shop.on(CacheWarmed, budget=Budget(1, per="1h"), rate="100/1m")
async def serve(_: CacheWarmed) -> None:
    """Has a budget for one."""


@shop.on(
    DependencyUnavailable, breaker=Breaker("backups", fail_max=1, reset_timeout="1h"), retry=_AGAIN
)
async def call(_: DependencyUnavailable) -> None:
    """Opens its breaker at the first attempt, and waits for it before the second."""
    raise TransientError("no answer")


@shop.on(DatabaseRestored, concurrency=1, timeout=None)
async def check(_: DatabaseRestored) -> None:
    """Takes for ever, one at a time, so that its queue grows."""
    await asyncio.sleep(LONG_SECONDS)


@stuck.on(ServiceRecovered, timeout=None)
async def announce(_: ServiceRecovered) -> None:
    """Holds up everything else in its process."""
    time.sleep(LONG_SECONDS)  # noqa: ASYNC251  that is its trouble

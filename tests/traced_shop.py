"""A shop whose recovery has one of everything that spans tell of; its environment says who dies."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from opentelemetry import trace

from antiphon import Recovery, Retry, Service, all_of
from antiphon_events import (
    CacheWarmed,
    ChildClosed,
    DatabaseRestored,
    RecoveryCompleted,
    ServiceFailed,
    ServiceRestarted,
)

_places = Path(os.environ["WORLD"])
_tracer = trace.get_tracer("the.users.own")

shop = Service("shop")


def _first_time(what: str) -> bool:
    """Whether nobody did this before, in any process."""
    try:
        (_places / what).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


@shop.on(ServiceFailed.about("orders"), retry=Retry(attempts=3, first="10ms", longest="10ms"))
async def restore(failed: ServiceFailed) -> DatabaseRestored:
    with _tracer.start_as_current_span("read the backup"):
        await asyncio.sleep(0)
    trace.get_current_span().set_attribute("backup.number", 7)
    if _first_time("failed"):
        raise ConnectionError("the backup store is away")
    return DatabaseRestored(subject=failed.subject)


@shop.on(ServiceFailed.about("orders"))
def warm(failed: ServiceFailed) -> CacheWarmed:
    with _tracer.start_as_current_span("fill the cache"):
        return CacheWarmed(subject=failed.subject)


@shop.on(all_of(DatabaseRestored, CacheWarmed))
async def reopen(_: object, recovery: Recovery) -> ServiceRestarted:
    if _first_time("died"):
        await asyncio.sleep(0.5)  # so that what came before is exported
        os.kill(os.getpid(), signal.SIGKILL)
    recovery.start(ServiceFailed(subject="search"))
    return ServiceRestarted(subject="orders")


@shop.on(ServiceFailed.about("search"))
async def index(failed: ServiceFailed) -> ServiceRestarted:
    return ServiceRestarted(subject=failed.subject)


@shop.on(ChildClosed)
async def note(closed: ChildClosed) -> None: ...


@shop.on(RecoveryCompleted.about("orders"))
async def tell(closed: RecoveryCompleted) -> None: ...

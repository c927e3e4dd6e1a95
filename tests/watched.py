"""A service whose steps fail, retry, die and block, for tests of what a worker tells of itself."""

from __future__ import annotations

import asyncio
import time

from antiphon import PermanentError, Recovery, Retry, Service
from antiphon_events import ServiceFailed, ServiceRestarted

BLOCKS_SECONDS = 7.0

shop = Service("shop")


@shop.on(
    ServiceFailed, retry=Retry(attempts=3, first="1ms", longest="10ms"), budget="50/10m"
)  # fmt: skip
async def restart(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted:
    match failed.subject:
        case "dies":
            raise PermanentError("it cannot be restarted")
        case "retries" if recovery.attempt == 1:
            raise ConnectionError("not yet")
        case "hangs" if recovery.attempt == 1:
            await asyncio.Event().wait()
        case "blocks":
            time.sleep(BLOCKS_SECONDS)  # noqa: ASYNC251  what a handler must not do
        case _:
            pass
    return ServiceRestarted(subject=failed.subject)

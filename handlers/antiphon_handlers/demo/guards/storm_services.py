"""A service whose restart takes as long as the storm of failures about it lasts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from antiphon import Recovery, Service
from antiphon_events import ServiceFailed, ServiceRestarted
from antiphon_handlers.demo.directory import ShopDirectory

LOOK_EVERY_SECONDS = 0.05

orders_api = Service("orders-api")

_shop = ShopDirectory.from_environment()


def calm_after(shop: ShopDirectory) -> Path:
    """The file that says that the storm is over."""
    return shop.path / "calm"


@orders_api.on(ServiceFailed.about("orders-api"), timeout="2m")
async def restart(failed: ServiceFailed, recovery: Recovery) -> ServiceRestarted:  # noqa: ARG001
    """Be under way for as long as failures come."""
    while not calm_after(_shop).exists():  # noqa: ASYNC110  another process says so
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return ServiceRestarted(subject=failed.subject)

"""The recovery of a service that leaks memory: a restart, which helps for a moment."""

from __future__ import annotations

import os

from antiphon import Budget, Service
from antiphon_events import ServiceFailed
from antiphon_handlers.demo.directory import ShopDirectory
from antiphon_handlers.demo.guards.ailing import LEAK, ailing_process
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.restart_process import restart_process

RESTARTS = Budget(3, per="10m")

orders_api = Service("orders-api")

orders_api.on(ServiceFailed.about("orders-api"), timeout="1m", budget=RESTARTS)(
    restart_process(
        ailing_process(
            ShopDirectory.from_environment(),
            "orders-api",
            LEAK,
            owner=os.environ.get(OWNER_VARIABLE),
        )
    )
)

"""The shop on its stage: four processes, a database that can be broken, and customers."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from typing import Any

from antiphon import Settings
from antiphon_handlers.demo.directory import ROLES, ShopDirectory
from antiphon_handlers.demo.shop import orders_db
from antiphon_handlers.demo.shop_processes import shop_process
from antiphon_handlers.demo.stage import Stage
from antiphon_handlers.http_verdict import open_client, request
from antiphon_handlers.sqlite_file import copy

ORDERS = 250
PAGE_BYTES = 4096


class ShopStage(Stage):
    """The shop, with a worker beside each of its processes."""

    def __init__(self, shop: ShopDirectory, settings: Settings) -> None:
        owner = str(os.getpid())
        services = "antiphon_handlers.demo.services"
        super().__init__(
            shop,
            settings,
            processes={role: shop_process(shop, role, owner=owner) for role in ROLES},
            workers={role: f"{services}:{role.replace('-', '_')}" for role in ROLES},
        )

    async def open(self) -> None:
        """Open the shop, with a real database in it and a probe that watches that."""
        orders_db.create(self.shop.database, orders=ORDERS)
        await super().open()
        self.start_probe("orders-db", failures=3)

    def back_up(self) -> None:
        """Back the database up while it is used, as a nightly job would."""
        self.shop.backup.parent.mkdir(exist_ok=True)
        copy(
            self.shop.database,
            self.shop.backup,
            pages_per_step=-1,
            pause=timedelta(0),
            on_step=lambda _: None,
        )

    def break_database(self) -> int:
        """Overwrite pages of the database file, and kill the process that serves it."""
        with self.shop.database.open("r+b") as file:
            file.seek(PAGE_BYTES)
            file.write(os.urandom(8 * PAGE_BYTES))
        pid = self.pids()["serving"]["orders-db"]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def read_order(self, order_id: int) -> dict[str, Any]:
        """Look an order up, as the shop's own pages would."""
        async with open_client(self.shop.url("orders-api")) as api:
            found: dict[str, Any] = await request(api, "GET", f"/orders/{order_id}")
        return found

    async def place_order(self) -> dict[str, Any]:
        """Order something on the front page."""
        order = {"item": "lyre", "quantity": 1, "note": "placed by the demo"}
        async with open_client(self.shop.url("web")) as front:
            placed: dict[str, Any] = await request(front, "POST", "/order", json=order)
        return placed

"""The stage: the shop, the workers beside it and the probe, set up and struck again."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from antiphon import AntiphonError, Settings
from antiphon.settings import ENV_PREFIX
from antiphon_handlers.demo.children import Children
from antiphon_handlers.demo.directory import DIRECTORY_VARIABLE, ROLES, Role, ShopDirectory
from antiphon_handlers.demo.shop import orders_db
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.demo.shop_processes import shop_process
from antiphon_handlers.http_verdict import open_client, request
from antiphon_handlers.process import ManagedProcess
from antiphon_handlers.readiness import wait_until_ready
from antiphon_handlers.sqlite_file import copy

ORDERS = 250
PAGE_BYTES = 4096
PROBE_EVERY = "200ms"
LEASE = "2s"
DRAIN = "1s"
LISTENING = b'"handler.listening"'
"""In the log of a worker that reads."""


class Stage:
    """Everything that runs, apart from the Redis server."""

    def __init__(self, shop: ShopDirectory, settings: Settings) -> None:
        self.shop = shop
        self.children = Children(
            shop.logs,
            {
                f"{ENV_PREFIX}REDIS_URL": settings.redis_url or "",
                f"{ENV_PREFIX}CELL": settings.cell,
                f"{ENV_PREFIX}LEASE": LEASE,
                f"{ENV_PREFIX}DRAIN": DRAIN,
                f"{ENV_PREFIX}LOG_FORMAT": "json",
                DIRECTORY_VARIABLE: str(shop.path),
                OWNER_VARIABLE: str(os.getpid()),
            },
        )

    def prepare(self) -> None:
        """Make the directory, with a real database in it."""
        self.shop.logs.mkdir(parents=True, exist_ok=True)
        orders_db.create(self.shop.database, orders=ORDERS)

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

    async def open_shop(self) -> None:
        """Start the four processes of the shop, each when what it needs is ready."""
        for role in ROLES:
            process = self._process(role)
            with process.locked() as lock:
                record = process.start(lock)
            await wait_until_ready(process, record)

    def start_workers(self) -> None:
        """Start one worker beside each process of the shop."""
        for role in ROLES:
            self.start_worker(role)

    def start_worker(self, role: Role) -> int:
        """Start the worker of one service, as its process manager would."""
        service = f"antiphon_handlers.demo.services:{role.replace('-', '_')}"
        return self.children.start(role, "-m", "antiphon", "run", service)

    def workers_listen(self) -> bool:
        """Whether every worker has said that its handler reads."""
        return all(LISTENING in self.children.log(role).read_bytes() for role in ROLES)

    def replace_worker(self, role: Role) -> int:
        """Kill a worker with SIGKILL and start another, and return the pid that was killed."""
        killed = self.children.kill(role)
        self.start_worker(role)
        return killed

    def check_children(self) -> None:
        """Refuse to go on without a worker or the probe.

        Raises:
            AntiphonError: one of them has ended by itself.
        """
        for name, status in self.children.ended().items():
            raise AntiphonError(
                f"{name} ended by itself with status {status}: see {self.children.log(name)}"
            )

    def start_probe(self) -> None:
        """Start watching the database."""
        self.children.start(
            "probe",
            *("-m", "antiphon", "probe", f"{self.shop.url('orders-db')}/health"),
            *("--subject", "orders-db", "--every", PROBE_EVERY, "--failures", "3", "--json"),
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

    def pids(self) -> dict[str, dict[str, int]]:
        """Who serves each role now, and who works beside it."""
        records = {role: self._process(role).record() for role in ROLES}
        return {
            "serving": {role: record.pid for role, record in records.items() if record is not None},
            "working": {role: self.children.pid(role) for role in ROLES},
        }

    def logs(self) -> list[Path]:
        """The log of every worker, and of the probe."""
        return [self.children.log(name) for name in (*ROLES, "probe")]

    def _process(self, role: Role) -> ManagedProcess:
        return shop_process(self.shop, role, owner=str(os.getpid()))

    def strike(self) -> None:
        """End everything, the workers first: they would bring the shop back."""
        self.children.stop()
        for role in ROLES:
            process = self._process(role)
            with process.locked():
                process.stop()

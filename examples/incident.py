"""The incident: a shop of real processes, what breaks in it, and whether it sells again."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from antiphon import Settings
from antiphon_handlers.demo.directory import DIRECTORY_VARIABLE, ROLES, ShopDirectory
from antiphon_handlers.demo.shop import orders_db
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.demo.stage import Stage
from antiphon_handlers.http_verdict import open_client, request
from antiphon_handlers.readiness import wait_until_ready
from antiphon_handlers.sqlite_file import copy, digest
from examples.shop import Backup, backup_file, checksum_file, process

ORDERS: Mapping[Backup, int] = {"older": 100, "newest": 140}
"""How many orders each backup holds."""

PAGE_BYTES = 4096


class Damage(StrEnum):
    """What breaks, besides the process that serves the database and the content of the cache."""

    PROCESS = "process"
    """Nothing else: the file stays whole."""
    DATABASE = "database"
    """Pages of the file are overwritten."""
    BACKUP = "backup"
    """Pages of the file, and of its newest backup."""


@dataclass(frozen=True, slots=True)
class Sale:
    """What a customer sees afterwards."""

    placed: int
    """The number of the order placed on the web front."""

    found_in: str
    """Where the api found the order before it: ``cache`` or ``database``."""


class Incident(Stage):
    """A shop in a directory of its own; no worker is beside its processes."""

    @classmethod
    @asynccontextmanager
    async def prepared(cls) -> AsyncIterator[Self]:
        """Open a shop that has two backups and an order that is in neither; close it at the end."""
        with tempfile.TemporaryDirectory(prefix="antiphon-examples-") as path:
            directory = ShopDirectory(Path(path))
            with _environment({DIRECTORY_VARIABLE: path, OWNER_VARIABLE: str(os.getpid())}):
                processes = {role: process(role) for role in ROLES}
                with cls(directory, Settings(), processes=processes, workers={}) as incident:
                    for backup, orders in ORDERS.items():
                        incident.back_up(backup, orders)
                    await incident.open()
                    await incident.place_order()
                    yield incident

    def back_up(self, backup: Backup, orders: int) -> None:
        """Let the database have so many orders, and back it up with a checksum."""
        self.shop.database.unlink(missing_ok=True)
        orders_db.create(self.shop.database, orders=orders)
        target = backup_file(self.shop, backup)
        target.parent.mkdir(exist_ok=True)
        copy(
            self.shop.database,
            target,
            pages_per_step=-1,
            pause=timedelta(0),
            on_step=lambda _: None,
        )
        checksum_file(target).write_text(digest(target), encoding="utf-8")

    async def happen(self, damage: Damage) -> None:
        """Break what is to break; the cache comes back by itself, and empty."""
        if damage is not Damage.PROCESS:
            _overwrite(self.shop.database)
        if damage is Damage.BACKUP:
            _overwrite(backup_file(self.shop, "newest"))
        serving = self.pids()["serving"]
        for role in ("orders-db", "orders-cache"):
            os.kill(serving[role], signal.SIGKILL)
        cache = self.processes["orders-cache"]
        with cache.locked() as lock:
            cache.stop()
            record = cache.start(lock)
        await wait_until_ready(cache, record)

    async def place_order(self) -> int:
        """Order something on the web front, as a customer does, and return its number."""
        order = {"item": "lyre", "quantity": 1, "note": "placed by the examples"}
        async with open_client(self.shop.url("web")) as front:
            placed: dict[str, Any] = await request(front, "POST", "/order", json=order)
        return int(placed["id"])

    async def sell(self) -> Sale:
        """See that orders are taken, and that earlier ones can be looked up."""
        placed = await self.place_order()
        async with open_client(self.shop.url("orders-api")) as api:
            found = await request(api, "GET", f"/orders/{placed - 1}")
        return Sale(placed, found["from"])


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(os.urandom(4 * PAGE_BYTES))


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process, and put them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

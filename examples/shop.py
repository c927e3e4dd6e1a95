"""The real work of each step: what the five recoveries have in common.

It repairs the shop of ``antiphon demo``: a SQLite file and the process that serves it, a cache, an
api and a web front. Every function finds the shop by ``ANTIPHON_DEMO_DIR``, so a handler that
calls it can be run by ``antiphon run``, by a test, or by ``python -m examples``.

The shop is small, so reading and copying are slowed to a pace that can be watched. All else takes
as long as it takes.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from antiphon import PermanentError, Recovery
from antiphon_events import CacheWarmed, DatabaseRestored, Event, ServiceRestarted
from antiphon_handlers.demo.directory import Role, ShopDirectory
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.demo.shop_processes import shop_process
from antiphon_handlers.http_verdict import open_client, request
from antiphon_handlers.process import ManagedProcess
from antiphon_handlers.restart_process import restart_process
from antiphon_handlers.restore_sqlite import restore_sqlite
from antiphon_handlers.sqlite_file import Condition, digest
from antiphon_handlers.sqlite_file import examine as examine_file
from antiphon_handlers.warm_cache import warm_cache

Backup = Literal["newest", "older"]

PAGE_PAUSE = timedelta(milliseconds=20)
"""Between two pages of a restore, to leave disk bandwidth to others."""

WARMED_ORDERS = 12
"""The newest orders, which customers ask for most."""

READ_PAUSE_SECONDS = 0.035
"""Between two orders that the cache reads, to leave the database to customers."""

LOOKS, LOOK_EVERY_SECONDS = 3, 0.05
"""A service that answers once may still fall over: it must go on answering."""


async def examine() -> Condition:
    """Look whether the database's file is sound, page by page."""
    return await asyncio.to_thread(examine_file, shop().database)


async def restore(event: Event, recovery: Recovery, backup: Backup = "newest") -> DatabaseRestored:
    """Bring the database's file back from a backup, and the process that serves it.

    Raises:
        PermanentError: the backup is not what was backed up.
    """
    source = backup_file(shop(), backup)
    await asyncio.to_thread(_verify, source)
    bring_back = restore_sqlite(
        shop().database,
        source,
        quiesce=process("orders-db").stop,
        pages_per_step=1,
        pause=PAGE_PAUSE,
    )
    restored = await bring_back(event, recovery)
    await restart_process(process("orders-db"))(event, recovery)
    return restored


async def warm(event: Event, recovery: Recovery) -> CacheWarmed:
    """Fill the cache with the newest orders, read from the restored database."""
    fill = warm_cache(
        _newest_orders, shop().url("orders-cache"), subject="orders-cache", generations=True
    )
    return await fill(event, recovery)


async def restart(role: Role, event: Event, recovery: Recovery) -> ServiceRestarted:
    """Start the process of a service again, and see that it goes on answering."""
    restarted = await restart_process(process(role), subject=role)(event, recovery)
    async with open_client() as client:
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await request(client, "GET", restarted.url)
    return restarted


def shop() -> ShopDirectory:
    """Where the shop lives."""
    return ShopDirectory.from_environment()


def process(role: Role) -> ManagedProcess:
    """How one of its processes is run."""
    return shop_process(shop(), role, owner=os.environ.get(OWNER_VARIABLE))


def backup_file(directory: ShopDirectory, backup: Backup) -> Path:
    """Where a backup lies; its checksum lies beside it."""
    return directory.backup.with_name(f"{backup}.db")


def checksum_file(backup: Path) -> Path:
    """Where the checksum of a backup lies, written when the backup was."""
    return backup.with_suffix(".sha256")


def _verify(backup: Path) -> None:
    expected = checksum_file(backup).read_text(encoding="utf-8").strip()
    if (found := digest(backup)) != expected:
        raise PermanentError(
            f"backup {backup.name} is corrupt: its SHA-256 is {found[:12]}…, not {expected[:12]}…"
        )


async def _newest_orders() -> dict[str, Any]:
    """Read the newest orders one at a time, keyed as orders-api looks for them in the cache."""
    async with open_client(shop().url("orders-db")) as database:
        session = (await request(database, "POST", "/sessions"))["session"]
        newest = (await request(database, "GET", "/health"))["orders"]
        orders = {}
        for number in range(newest, max(newest - WARMED_ORDERS, 0), -1):
            path = f"/orders/{number}"
            orders[str(number)] = await request(database, "GET", path, headers={"Session": session})
            await asyncio.sleep(READ_PAUSE_SECONDS)
    return orders

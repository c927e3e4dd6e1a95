"""The stage: processes, the workers beside them and a probe, set up and struck again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from antiphon import AntiphonError, Settings
from antiphon.settings import ENV_PREFIX
from antiphon_handlers.demo.children import Children
from antiphon_handlers.demo.directory import DIRECTORY_VARIABLE, Role, ShopDirectory
from antiphon_handlers.demo.house import DemoFailed
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.process import ManagedProcess
from antiphon_handlers.readiness import wait_until_ready

OPENS_WITHIN_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.1
PROBE_EVERY = "200ms"
LEASE = "2s"
DRAIN = "1s"
LISTENING = b'"handler.listening"'
"""In the log of a worker that reads."""


class Stage:
    """Everything that runs, apart from the Redis server; use it as a context manager.

    Args:
        shop: the directory all of it lives in.
        settings: the cell all of it works in.
        processes: what is served, in the order in which it can start.
        workers: what recovers it: the service that ``antiphon run`` is given, by role.
    """

    def __init__(
        self,
        shop: ShopDirectory,
        settings: Settings,
        *,
        processes: Mapping[Role, ManagedProcess],
        workers: Mapping[Role, str],
    ) -> None:
        self.shop = shop
        self.processes = processes
        self.environment = {
            f"{ENV_PREFIX}REDIS_URL": settings.redis_url or "",
            f"{ENV_PREFIX}CELL": settings.cell,
            f"{ENV_PREFIX}LEASE": LEASE,
            f"{ENV_PREFIX}DRAIN": DRAIN,
            f"{ENV_PREFIX}LOG_FORMAT": "json",
            f"{ENV_PREFIX}SERVE": "off",  # nobody asks, and all would want one port
            DIRECTORY_VARIABLE: str(shop.path),
            OWNER_VARIABLE: str(os.getpid()),
        }
        self.children = Children(shop.logs, self.environment)
        self._workers = workers

    def __enter__(self) -> Self:
        self.shop.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.strike()

    async def open(self) -> None:
        """Start the workers, and each process when what it needs is ready.

        Raises:
            DemoFailed: they did not all start in time.
        """
        try:
            async with asyncio.timeout(OPENS_WITHIN_SECONDS):
                for role in self._workers:
                    self.start_worker(role)
                for process in self.processes.values():
                    with process.locked() as lock:
                        record = process.start(lock)
                    await wait_until_ready(process, record)
                while not self._workers_listen():
                    self.check_children()
                    await asyncio.sleep(LOOK_EVERY_SECONDS)
        except TimeoutError:
            raise DemoFailed(f"the shop did not open within {OPENS_WITHIN_SECONDS:g} s") from None

    def start_worker(self, role: Role) -> int:
        """Start the worker of one service, as its process manager would."""
        return self.children.start(role, "-m", "antiphon", "run", self._workers[role])

    def replace_worker(self, role: Role) -> int:
        """Kill a worker with SIGKILL and start another, and return the pid that was killed."""
        killed = self.children.kill(role)
        self.start_worker(role)
        return killed

    def _workers_listen(self) -> bool:
        """Whether every worker has said that its handler reads."""
        return all(LISTENING in self.children.log(role).read_bytes() for role in self._workers)

    def check_children(self) -> None:
        """Refuse to go on without a worker or the probe.

        Raises:
            AntiphonError: one of them has ended by itself.
        """
        for name, status in self.children.ended().items():
            raise AntiphonError(
                f"{name} ended by itself with status {status}: see {self.children.log(name)}"
            )

    def start_probe(self, role: Role, *, failures: int) -> None:
        """Start watching a process; so many bad checks in a row are a failure."""
        self.children.start(
            "probe",
            *("-m", "antiphon", "probe", f"{self.shop.url(role)}/health"),
            *("--subject", role, "--every", PROBE_EVERY, "--failures", str(failures), "--json"),
        )

    def pids(self) -> dict[str, dict[str, int]]:
        """Who serves each role now, and who works beside it."""
        records = {role: process.record() for role, process in self.processes.items()}
        return {
            "serving": {role: record.pid for role, record in records.items() if record is not None},
            "working": {role: self.children.pid(role) for role in self._workers},
        }

    def logs(self) -> list[Path]:
        """The log of every worker, and of the probe."""
        return [self.children.log(name) for name in (*self._workers, "probe")]

    def strike(self) -> None:
        """End everything, the workers first: they would bring the shop back."""
        self.children.stop()
        for process in self.processes.values():
            with process.locked():
                process.stop()

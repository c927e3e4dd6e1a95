"""The directory one shop lives in: its database, its backup, its logs, and who runs where."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

from antiphon_handlers.durable import replace_text

Role = Literal["orders-db", "orders-cache", "orders-api", "web"]
"""The processes of the shop, each named as the subject of its events."""

ROLES: tuple[Role, ...] = get_args(Role)
"""In the order they can start: each finds what it needs already running."""

DIRECTORY_VARIABLE = "ANTIPHON_DEMO_DIR"


class NotRunning(Exception):
    """No process has announced itself in this role."""


@dataclass(frozen=True, slots=True)
class ShopDirectory:
    """Where everything of one shop is; every path is absolute."""

    path: Path

    @classmethod
    def from_environment(cls) -> Self:
        """Take the directory the demo was told, ``shop`` in the working directory otherwise."""
        return cls(Path(os.environ.get(DIRECTORY_VARIABLE, "shop")).absolute())

    @property
    def database(self) -> Path:
        """The orders, as one SQLite file."""
        return self.path / "orders.db"

    @property
    def backup(self) -> Path:
        """The orders as they were when the backup was made."""
        return self.path / "backup" / "orders.db"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.path / "logs"

    def pidfile(self, role: Role) -> Path:
        """Who runs in this role, and which event started it."""
        return self.path / "run" / f"{role}.pid.json"

    def announce(self, role: Role, *, pid: int, url: str) -> None:
        """Tell the others where a role is served, once it listens."""
        replace_text(self._announcement(role), json.dumps({"pid": pid, "url": url}))

    def url(self, role: Role, *, pid: int | None = None) -> str:
        """Return the base URL of a role.

        Args:
            role: the role.
            pid: accept only what this process announced; what an earlier one left does not count.

        Raises:
            NotRunning: nobody has announced the role, or not the process asked for.
        """
        try:
            announced = json.loads(self._announcement(role).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotRunning(f"no {role} has announced itself in {self.path}") from None
        if pid is not None and announced["pid"] != pid:
            raise NotRunning(f"{role} with pid {pid} has not announced itself in {self.path}")
        return str(announced["url"])

    def _announcement(self, role: Role) -> Path:
        return self.path / "run" / f"{role}.url.json"

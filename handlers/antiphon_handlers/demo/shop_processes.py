"""The shop's processes as Antiphon manages them."""

from __future__ import annotations

import sys

from antiphon_handlers.demo.directory import NotRunning, Role, ShopDirectory
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.process import ManagedProcess


def shop_process(shop: ShopDirectory, role: Role, *, owner: str | None) -> ManagedProcess:
    """Describe the process of a role; it ends with its owner, whose pid this is, if any."""

    def ready_url(pid: int) -> str | None:
        try:
            return f"{shop.url(role, pid=pid)}/health"
        except NotRunning:
            return None

    return ManagedProcess(
        command=(
            *(sys.executable, "-m", "antiphon_handlers.demo.shop"),
            *(role, "--dir", str(shop.path)),
        ),
        cwd=shop.path,
        pidfile=shop.pidfile(role),
        ready_url=ready_url,
        environment={OWNER_VARIABLE: owner} if owner else {},
        log=shop.logs / f"{role}.log",
    )

"""The shop's processes as Antiphon manages them."""

from __future__ import annotations

import sys

from antiphon_handlers.demo.directory import NotRunning, Role, ShopDirectory
from antiphon_handlers.demo.shop.lifeline import OWNER_VARIABLE
from antiphon_handlers.process import ManagedProcess

SHOP = ("antiphon_handlers.demo.shop",)


def shop_process(
    shop: ShopDirectory, role: Role, *, owner: str | None, program: tuple[str, ...] = SHOP
) -> ManagedProcess:
    """Describe the process of a role.

    Args:
        shop: the directory it lives in.
        role: what it serves.
        owner: the pid of the process it ends with, if any.
        program: the module to run, and what it is told before its role.
    """

    def ready_url(pid: int) -> str | None:
        try:
            return f"{shop.url(role, pid=pid)}/health"
        except NotRunning:
            return None

    return ManagedProcess(
        command=(
            *(sys.executable, "-m", *program),
            *(role, "--dir", str(shop.path)),
        ),
        cwd=shop.path,
        pidfile=shop.pidfile(role),
        ready_url=ready_url,
        environment={OWNER_VARIABLE: owner} if owner else {},
        log=shop.logs / f"{role}.log",
    )

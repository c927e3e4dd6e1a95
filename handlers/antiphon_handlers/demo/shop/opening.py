"""How a process of the shop opens: on its former address, announced to the others."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from antiphon_handlers.demo.directory import NotRunning, Role, ShopDirectory
from antiphon_handlers.demo.shop import lifeline
from antiphon_handlers.demo.shop.http_server import Application, serve


def open_for_business(role: Role, application: Application, shop: ShopDirectory) -> None:
    """Serve a role until the process is ended, or its owner has."""
    if owner := os.environ.get(lifeline.OWNER_VARIABLE):
        in_background(lambda: lifeline.hold(int(owner)))
    with serve(application, port=_former_port(role, shop)) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        shop.announce(role, pid=os.getpid(), url=url)
        sys.stdout.write(f"{role} serves on {url}\n")
        sys.stdout.flush()
        server.serve_forever()


def in_background(work: Callable[[], None]) -> None:
    """Run something beside the serving, for as long as that lasts."""
    threading.Thread(target=work, daemon=True).start()


def _former_port(role: Role, shop: ShopDirectory) -> int | None:
    """Where the role was served before: a restart keeps its address, as a probe expects."""
    try:
        return urlsplit(shop.url(role)).port
    except NotRunning:
        return None

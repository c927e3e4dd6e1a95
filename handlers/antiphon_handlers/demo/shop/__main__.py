"""Run one process of the shop: ``python -m antiphon_handlers.demo.shop ROLE --dir DIR``."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from antiphon_handlers.demo.directory import ROLES, NotRunning, Role, ShopDirectory
from antiphon_handlers.demo.shop import lifeline
from antiphon_handlers.demo.shop.http_server import Application, serve
from antiphon_handlers.demo.shop.orders_api import OrdersApi
from antiphon_handlers.demo.shop.orders_cache import OrdersCache
from antiphon_handlers.demo.shop.orders_db import OrdersDb
from antiphon_handlers.demo.shop.upstream import UpstreamFailed
from antiphon_handlers.demo.shop.web import Web


def main() -> None:
    """Serve one role until the process is ended."""
    parser = argparse.ArgumentParser(prog="shop", description="One process of the demo shop.")
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--dir", type=Path, required=True, help="the directory the shop lives in")
    arguments = parser.parse_args()
    shop = ShopDirectory(arguments.dir.absolute())
    try:
        application = _application(arguments.role, shop)
    except (NotRunning, UpstreamFailed) as error:
        sys.exit(f"{arguments.role} cannot start: {error}")
    if owner := os.environ.get(lifeline.OWNER_VARIABLE):
        _in_background(lambda: lifeline.hold(int(owner)))
    with serve(application, port=_former_port(arguments.role, shop)) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        shop.announce(arguments.role, pid=os.getpid(), url=url)
        sys.stdout.write(f"{arguments.role} serves on {url}\n")
        sys.stdout.flush()
        server.serve_forever()


def _former_port(role: Role, shop: ShopDirectory) -> int | None:
    """Where the role was served before: a restart keeps its address, as a probe expects."""
    try:
        return urlsplit(shop.url(role)).port
    except NotRunning:
        return None


def _application(role: Role, shop: ShopDirectory) -> Application:
    match role:
        case "orders-db":
            return OrdersDb(shop.database)
        case "orders-cache":
            return OrdersCache()
        case "orders-api":
            return OrdersApi(database=shop.url("orders-db"), cache=shop.url("orders-cache"))
        case "web":
            web = Web(shop)
            _in_background(web.watch)
            return web


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


if __name__ == "__main__":
    main()

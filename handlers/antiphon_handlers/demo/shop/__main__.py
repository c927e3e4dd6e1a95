"""Run one process of the shop: ``python -m antiphon_handlers.demo.shop ROLE --dir DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from antiphon_handlers.demo.directory import ROLES, NotRunning, Role, ShopDirectory
from antiphon_handlers.demo.shop.http_server import Application
from antiphon_handlers.demo.shop.opening import in_background, open_for_business
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
    open_for_business(arguments.role, application, shop)


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
            in_background(web.watch)
            return web


if __name__ == "__main__":
    main()

"""orders-db: a SQLite file behind HTTP, with sessions that a restart forgets."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from antiphon_handlers.demo.shop.http_server import Answer, Request, refusal

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    item TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    note TEXT NOT NULL
)
"""


class OrdersDb:
    """The database process; every request opens the file, so a damaged page is seen at once."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._sessions: set[str] = set()

    def answer(self, request: Request) -> Answer:
        """Answer one request; damage to the file is a 503."""
        try:
            return self._route(request)
        except sqlite3.IntegrityError as error:
            return refusal(HTTPStatus.BAD_REQUEST, str(error))
        except sqlite3.Error as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"{type(error).__name__}: {error}")

    def _route(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", ("health",):
                return self._health()
            case "POST", ("sessions",):
                session = uuid.uuid4().hex
                self._sessions.add(session)
                return Answer(HTTPStatus.CREATED, {"session": session})
        if request.session not in self._sessions:
            return refusal(HTTPStatus.UNAUTHORIZED, "unknown session")
        return self._in_session(request)

    def _in_session(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", ("session",):
                return Answer(HTTPStatus.OK, {"session": request.session})
            case "GET", ("orders",):
                return Answer(HTTPStatus.OK, {"orders": self._select("SELECT * FROM orders")})
            case "GET", ("orders", order):
                found = self._select("SELECT * FROM orders WHERE id = ?", order)
                missing = refusal(HTTPStatus.NOT_FOUND, f"no order {order}")
                return Answer(HTTPStatus.OK, found[0]) if found else missing
            case "POST", ("orders",):
                return self._insert(request.body)
        return refusal(HTTPStatus.NOT_FOUND, "no such page")

    def _health(self) -> Answer:
        with self._open() as connection:
            finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if finding != "ok":
                return refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"damaged: {finding}")
            (orders,) = connection.execute("SELECT count(*) FROM orders").fetchone()
        return Answer(HTTPStatus.OK, {"orders": orders})

    def _insert(self, order: Any) -> Answer:
        if not isinstance(order, dict) or not {"item", "quantity"} <= order.keys():
            return refusal(HTTPStatus.BAD_REQUEST, "an order has an item and a quantity")
        with self._open() as connection, connection:
            cursor = connection.execute(
                "INSERT INTO orders (item, quantity, note) VALUES (?, ?, ?)",
                (order["item"], order["quantity"], order.get("note", "")),
            )
        return Answer(HTTPStatus.CREATED, {"id": cursor.lastrowid, **order})

    def _select(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        with self._open() as connection:
            return [dict(row) for row in connection.execute(query, parameters)]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # mode=rw: a missing file is a failure, not a new and empty database.
        uri = f"{self._database.as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            yield connection


def create(database: Path, *, orders: int) -> None:
    """Create the database with some orders in it."""
    database.parent.mkdir(parents=True, exist_ok=True)
    items = ("lyre", "aulos", "kithara", "syrinx", "tympanon")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(SCHEMA)
        connection.executemany(
            "INSERT INTO orders (item, quantity, note) VALUES (?, ?, ?)",
            (
                (items[number % len(items)], 1 + number % 3, f"for customer {number}. " * 12)
                for number in range(orders)
            ),
        )

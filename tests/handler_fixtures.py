"""What the tests of the shipped handlers share: deliveries without a broker, databases to break."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import connect

from antiphon import Recovery
from antiphon.recovery import Reporter
from antiphon_events import Envelope, Event, attach
from antiphon_handlers.demo.shop import orders_db

PAGE_BYTES = 4096
ORDERS = 200
ORDER = "INSERT INTO orders (item, quantity, note) VALUES ('lyre', 1, '')"


def delivery(
    event: Event, *, token: int = 1, event_id: str = "event-1", reporter: Reporter | None = None
) -> tuple[Event, Recovery]:
    """Give an event what a handler is called with."""
    envelope = Envelope(
        id=event_id,
        source="test",
        type=event.type,
        subject=event.subject,
        time=datetime.now(UTC),
        version=event.version,
        correlation_id="recovery-1",
    )
    recovery = Recovery(envelope, attempt=1, token=token, reporter=reporter)
    return attach(event, envelope), recovery


def make_database(path: Path, *, orders: int = ORDERS) -> Path:
    orders_db.create(path, orders=orders)
    return path


def damage(path: Path) -> None:
    """Overwrite every page but the first, as a failing disk would."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(PAGE_BYTES)
        file.write(os.urandom(size - PAGE_BYTES))


def lose_all_but_the_log(path: Path) -> None:
    """Remove a database whose last order is still in its write-ahead log, and leave the log."""
    log = path.with_name(f"{path.name}-wal")
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(ORDER)
        connection.commit()
        left = log.read_bytes()
    path.unlink()
    log.write_bytes(left)


def content(path: Path) -> bytes:
    return path.read_bytes()


def count_orders(path: Path) -> int:
    with closing(connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM orders").fetchone()
    return int(count)


def add_order(path: Path) -> None:
    with closing(connect(path)) as connection, connection:
        connection.execute(ORDER)

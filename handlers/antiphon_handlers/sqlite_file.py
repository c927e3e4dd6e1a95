"""A SQLite database as a file: examine it, copy it page by page, name it by its digest."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from antiphon import TransientError

SIDECARS = ("-wal", "-shm", "-journal")
"""Files SQLite keeps beside a database; left over from another copy they would corrupt it."""

_ENVIRONMENTAL = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_NOMEM,
    }
)
"""Primary codes that speak of the surroundings, and prove nothing about the file."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a full examination of one database file found.

    Attributes:
        damage: what is wrong, in SQLite's words; empty when the file is sound.
        tables: the user's tables; empty when the file is damaged.
        rows: rows in all of them together.
    """

    damage: str
    tables: frozenset[str] = frozenset()
    rows: int = 0

    @property
    def sound(self) -> bool:
        """Whether every page, index and row was found whole."""
        return not self.damage


def examine(path: Path, *, writable: bool = True) -> Condition:
    """Run ``PRAGMA integrity_check`` and count the rows; damage is an answer, never an error.

    Args:
        path: the database file.
        writable: let SQLite roll back what a killed writer left half done, as the service itself
            would on opening. A backup is examined with False and stays untouched.

    Raises:
        TransientError: the file could not be examined (locked, unreadable, disk full).
    """
    if not path.is_file():
        return Condition("the file does not exist")
    try:
        with closing(_open(path, "rw" if writable else "ro")) as connection:
            finding = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if finding != "ok":
                return Condition(str(finding))
            tables = frozenset(_tables(connection))
            return Condition("", tables, sum(_rows(connection, table) for table in tables))
    except sqlite3.DatabaseError as error:
        if _primary_code(error) in _ENVIRONMENTAL:
            raise TransientError(f"{path} cannot be examined: {error}") from error
        return Condition(str(error))


def copy(
    source: Path,
    target: Path,
    *,
    pages_per_step: int,
    pause: timedelta,
    on_step: Callable[[float], None],
) -> None:
    """Copy a database with SQLite's backup API, which sees one consistent state throughout.

    Args:
        source: read only, and untouched.
        target: created or overwritten; synced by the caller.
        pages_per_step: pages between two calls of ``on_step``.
        pause: wait between steps, to leave disk bandwidth to others.
        on_step: told the fraction copied, 0.0 to 1.0; what it raises stops the copy.

    Raises:
        TransientError: SQLite could not read or write.
    """

    def step(_status: int, remaining: int, total: int) -> None:
        on_step((total - remaining) / total if total else 1.0)
        if remaining and pause:
            time.sleep(pause.total_seconds())

    try:
        with closing(_open(source, "ro")) as reading, closing(sqlite3.connect(target)) as writing:
            reading.backup(writing, pages=pages_per_step, progress=step)
    except sqlite3.Error as error:
        raise TransientError(f"{source} cannot be copied to {target}: {error}") from error


def digest(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)
    # A damaged file may hold names that are not UTF-8; they must not hide the damage.
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def _tables(connection: sqlite3.Connection) -> list[str]:
    return [
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]


def _rows(connection: sqlite3.Connection, table: str) -> int:
    quoted = '"' + table.replace('"', '""') + '"'
    # The name comes from the schema itself and is quoted; SQLite has no parameter for a table.
    (count,) = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()  # noqa: S608
    return int(count)


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF

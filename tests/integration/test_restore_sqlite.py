"""Restoring real SQLite files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from stat import S_IMODE

import pytest

from antiphon import PermanentError
from antiphon.errors import Superseded
from antiphon_events import DatabaseRestored, ServiceFailed
from antiphon_handlers.restore_sqlite import restore_sqlite
from antiphon_handlers.sqlite_file import examine
from handler_fixtures import (
    ORDERS,
    add_order,
    content,
    count_orders,
    damage,
    delivery,
    lose_all_but_the_log,
    make_database,
)

FAILED = ServiceFailed(subject="orders-db")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return make_database(tmp_path / "orders.db")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return make_database(tmp_path / "backup" / "orders.db")


async def restore(database: Path, backup: Path, *, token: int = 1) -> DatabaseRestored:
    return await restore_sqlite(database, backup)(*delivery(FAILED, token=token))


async def test_a_damaged_database_is_restored_and_described(database: Path, backup: Path) -> None:
    """The file is sound again, and the event names its backup, rows and digest."""
    damage(database)
    restored = await restore(database, backup)
    assert examine(database).sound
    assert restored == DatabaseRestored(
        subject="orders-db",
        backup=str(backup),
        rows=ORDERS,
        sha256=sha256(content(database)).hexdigest(),
    )


@pytest.mark.parametrize(
    "lose",
    [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_text("not SQLite")],
    ids=["missing", "empty", "foreign"],
)
async def test_a_lost_database_is_restored(
    database: Path, backup: Path, lose: Callable[[Path], object]
) -> None:
    """A file that is gone, empty or something else is restored as a damaged one is."""
    lose(database)
    restored = await restore(database, backup)
    assert restored.rows == ORDERS
    assert count_orders(database) == ORDERS


async def test_a_second_run_keeps_what_was_written_since(database: Path, backup: Path) -> None:
    """Run again for the same event, it changes nothing and gives the same answer."""
    damage(database)
    first = await restore(database, backup)
    add_order(database)
    second = await restore(database, backup, token=2)
    assert second == first
    assert count_orders(database) == ORDERS + 1


async def test_a_sound_database_is_kept(database: Path, backup: Path) -> None:
    """What was written since the backup is not thrown away because a process died."""
    add_order(database)
    restored = await restore(database, backup)
    assert restored == DatabaseRestored(subject="orders-db", rows=ORDERS + 1)
    assert count_orders(database) == ORDERS + 1


async def test_what_the_old_database_left_beside_it_goes_with_it(
    database: Path, backup: Path
) -> None:
    """A write-ahead log of the lost file is never played into the restored one."""
    lose_all_but_the_log(database)
    await restore(database, backup)
    assert not list(database.parent.glob("orders.db-*"))
    assert count_orders(database) == ORDERS


@pytest.mark.parametrize("spoil", [damage, Path.unlink], ids=["damaged", "missing"])
async def test_without_a_usable_backup_it_gives_up_and_touches_nothing(
    database: Path, backup: Path, spoil: Callable[[Path], object]
) -> None:
    """A bad backup is a permanent error that names it, and the database stays as it was."""
    damage(database)
    as_it_was = content(database)
    spoil(backup)
    with pytest.raises(PermanentError, match=str(backup)):
        await restore(database, backup)
    assert content(database) == as_it_was


async def test_an_older_attempt_touches_nothing(database: Path, backup: Path) -> None:
    """After a newer attempt, one with an older token stops, even if the file broke again."""
    damage(database)
    await restore(database, backup, token=2)
    damage(database)
    as_it_was = content(database)
    with pytest.raises(Superseded):
        await restore(database, backup, token=1)
    assert content(database) == as_it_was


async def test_an_attempt_overtaken_while_it_copied_touches_nothing(
    database: Path, backup: Path
) -> None:
    """A worker that slept through its lease does not undo what its successor restored."""
    damage(database)
    copying, woken = asyncio.Event(), asyncio.Event()

    async def sleep_through_the_lease(_fraction: float, _message: str) -> None:
        copying.set()
        await woken.wait()

    slow = restore_sqlite(database, backup, pages_per_step=1)
    sleeper = asyncio.create_task(slow(*delivery(FAILED, reporter=sleep_through_the_lease)))
    await copying.wait()
    await restore(database, backup, token=2)
    add_order(database)
    woken.set()
    with pytest.raises(Superseded):
        await sleeper
    assert count_orders(database) == ORDERS + 1


async def test_an_interrupted_copy_changes_nothing_and_leaves_nothing(
    database: Path, backup: Path
) -> None:
    """Stopped in the middle, the old file is untouched; the next attempt clears up and succeeds."""
    damage(database)
    as_it_was = content(database)
    begun = asyncio.Event()

    async def note(_fraction: float, _message: str) -> None:
        begun.set()

    slow = restore_sqlite(database, backup, pages_per_step=1, pause=timedelta(seconds=0.1))
    attempt = asyncio.create_task(slow(*delivery(FAILED, reporter=note)))
    await begun.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert content(database) == as_it_was

    await restore(database, backup, token=2)
    assert count_orders(database) == ORDERS
    assert not list(database.parent.glob(".orders.db.restoring.*"))


async def test_progress_is_reported_up_to_the_end(database: Path, backup: Path) -> None:
    """The fractions rise, and the last is the whole."""
    damage(database)
    fractions: list[float] = []

    async def note(fraction: float, _message: str) -> None:
        fractions.append(fraction)

    slow = restore_sqlite(database, backup, pages_per_step=1, pause=timedelta(milliseconds=40))
    await slow(*delivery(FAILED, reporter=note))
    assert len(fractions) > 1
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


async def test_the_database_is_let_go_of_just_before_it_is_replaced(
    database: Path, backup: Path
) -> None:
    """The owner's `quiesce` runs when a verified copy is ready, and not for a sound database."""
    sound_when_asked: list[bool] = []
    handler = restore_sqlite(
        database, backup, quiesce=lambda: sound_when_asked.append(examine(database).sound)
    )
    await handler(*delivery(FAILED))
    assert sound_when_asked == []
    damage(database)
    await handler(*delivery(FAILED, token=2))
    assert sound_when_asked == [False]


def test_the_restored_file_keeps_its_permissions(database: Path, backup: Path) -> None:
    """The service can go on writing, and nobody new can read."""
    database.chmod(0o640)
    damage(database)
    asyncio.run(restore(database, backup))
    assert S_IMODE(database.stat().st_mode) == 0o640

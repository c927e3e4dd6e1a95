"""What the shipped handlers decide, from plain data."""

from __future__ import annotations

import pytest

from antiphon_handlers import restart_process, restore_sqlite, warm_cache
from antiphon_handlers.process import ProcessRecord
from antiphon_handlers.restore_sqlite import Marker
from antiphon_handlers.sqlite_file import Condition
from antiphon_handlers.warm_cache import Generation

SOUND = Condition("", frozenset({"orders"}), 3)
EMPTY = Condition("")
DAMAGED = Condition("database disk image is malformed")
TABLES = frozenset({"orders"})


def record(event_id: str, token: int) -> ProcessRecord:
    return ProcessRecord(pid=1, create_time=0.0, event_id=event_id, token=token)


@pytest.mark.parametrize(
    ("found", "alive", "expected"),
    [
        (None, False, restart_process.Decision.START),
        (record("earlier", 6), True, restart_process.Decision.START),
        (record("earlier", 6), False, restart_process.Decision.START),
        (record("this", 6), True, restart_process.Decision.KEEP),
        (record("this", 6), False, restart_process.Decision.START),
        (record("this", 7), True, restart_process.Decision.KEEP),
        (record("later", 8), True, restart_process.Decision.KEEP),
        (record("later", 8), False, restart_process.Decision.STEP_BACK),
        (record("this", 8), False, restart_process.Decision.STEP_BACK),
    ],
)
def test_a_process_is_started_once_per_event_and_never_behind_a_newer_attempt(
    found: ProcessRecord | None, *, alive: bool, expected: restart_process.Decision
) -> None:
    """Only a process that this event has not started, and no newer attempt has, is started."""
    decided = restart_process.decide(event_id="this", token=7, record=found, alive=alive)
    assert decided is expected


def test_an_empty_database_is_lost_even_without_a_backup_to_compare() -> None:
    """A file truncated to nothing is sound to SQLite, and is never taken for the database."""
    decided = restore_sqlite.decide(event_id="this", token=7, marker=None, database=EMPTY)
    assert decided is restore_sqlite.Decision.RESTORE


@pytest.mark.parametrize(
    ("marker", "database", "expected"),
    [
        (None, DAMAGED, restore_sqlite.Decision.RESTORE),
        (None, EMPTY, restore_sqlite.Decision.RESTORE),
        (None, SOUND, restore_sqlite.Decision.KEEP),
        (Marker(event_id="earlier", token=6, sha256="x"), SOUND, restore_sqlite.Decision.KEEP),
        (Marker(event_id="this", token=6, sha256="x"), SOUND, restore_sqlite.Decision.RESTORED),
        (Marker(event_id="this", token=6, sha256="x"), DAMAGED, restore_sqlite.Decision.RESTORE),
        (Marker(event_id="this", token=6), SOUND, restore_sqlite.Decision.KEEP),
        (Marker(event_id="this", token=6), DAMAGED, restore_sqlite.Decision.RESTORE),
        (Marker(event_id="this", token=8), DAMAGED, restore_sqlite.Decision.SUPERSEDED),
        (Marker(event_id="later", token=8), SOUND, restore_sqlite.Decision.SUPERSEDED),
    ],
)
def test_a_sound_database_is_never_overwritten_and_a_newer_attempt_never_disturbed(
    marker: Marker | None, database: Condition, expected: restore_sqlite.Decision
) -> None:
    """Only damage or missing tables call for the backup, and only from the newest attempt."""
    decided = restore_sqlite.decide(
        event_id="this", token=7, marker=marker, database=database, required=TABLES
    )
    assert decided is expected


@pytest.mark.parametrize(
    ("serving", "expected"),
    [(None, True), (Generation("earlier", 3), True), (Generation("this", 3), False)],
)
def test_a_cache_is_filled_once_per_event(serving: Generation | None, *, expected: bool) -> None:
    """A cache that already serves this event's generation is left alone."""
    assert warm_cache.decide("this", serving) is expected

"""Restore a SQLite database from its backup.

**Reacts to** any failure of the service that owns the file, e.g. ``ServiceFailed``.
**Emits** ``DatabaseRestored`` with the backup used, the rows it holds and its SHA-256.
**Idempotent because** a sound database is never overwritten, a marker beside it names the event
whose restore it holds, and an attempt with a newer fencing token shuts older ones out.
**Gives up by** a permanent error when the backup is missing or damaged; a full disk, a lock or
an unreadable file is retried as the handler's retry policy says.

The file is never seen half written: the copy is made and verified beside it, synced, and renamed
over it. Whatever has the database open goes on using the old file until it reopens: pass
``quiesce`` to stop it first.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from antiphon import PermanentError, Recovery
from antiphon.errors import Superseded
from antiphon_events import DatabaseRestored, Event
from antiphon_handlers.durable import replace_text, sync_directory, sync_file
from antiphon_handlers.file_lock import locked
from antiphon_handlers.sqlite_file import SIDECARS, Condition, copy, digest, examine

LOCK_WITHIN = timedelta(seconds=30)
PROGRESS_EVERY_SECONDS = 0.2


class Decision(Enum):
    """What to do about a database somebody reported as failed."""

    KEEP = "keep"
    """The database is sound: overwriting it would lose what was written since the backup."""
    RESTORED = "restored"
    """An earlier attempt for the same event restored it, and it is sound."""
    RESTORE = "restore"
    """The database is damaged, missing or incomplete."""
    SUPERSEDED = "superseded"
    """A newer attempt is at work or done: touch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The file beside the database that says which attempt restored it, or is about to.

    ``sha256`` is empty from the claim until the verified copy is about to take its place.
    """

    event_id: str
    token: int
    backup: str = ""
    rows: int = 0
    sha256: str = ""


def decide(
    *,
    event_id: str,
    token: int,
    marker: Marker | None,
    database: Condition,
    required: frozenset[str] = frozenset(),
) -> Decision:
    """Decide from what is on disk; ``required`` are the tables the backup holds.

    An empty file is a valid SQLite database, so soundness alone proves nothing: a database without
    tables, or without one that its backup has, counts as lost.
    """
    if marker is not None and marker.token > token:
        return Decision.SUPERSEDED
    if not (database.sound and database.tables and required <= database.tables):
        return Decision.RESTORE
    if marker is not None and marker.event_id == event_id and marker.sha256:
        return Decision.RESTORED
    return Decision.KEEP


def restore_sqlite(
    database: Path,
    backup: Path,
    *,
    subject: str | None = None,
    quiesce: Callable[[], object] | None = None,
    pages_per_step: int = 1000,
    pause: timedelta = timedelta(0),
    name: str = "restore",
) -> Callable[[Event, Recovery], Coroutine[Any, Any, DatabaseRestored]]:
    """Return a handler that restores ``database`` from ``backup``.

    Args:
        database: the file to restore; a damaged one is replaced, a sound one is kept.
        backup: a SQLite file, only ever read.
        subject: what the emitted event is about; the failed subject when not given.
        quiesce: stops whatever has the database open. Called in a thread, only when the file is
            really about to be replaced, and possibly once more in a later attempt.
        pages_per_step: pages copied between two progress reports.
        pause: wait between those steps, to leave disk bandwidth to others.
        name: the handler's name, and so the end of its consumer group's; two handlers of one
            service need two names.
    """

    async def restore(event: Event, recovery: Recovery) -> DatabaseRestored:
        attempt = _Attempt(database, backup, event_id=recovery.event_id, token=recovery.token)
        about = subject or event.subject
        decision, condition = await asyncio.to_thread(attempt.claim)
        if decision is Decision.KEEP:
            return DatabaseRestored(subject=about, rows=condition.rows)
        if decision is Decision.RESTORE:
            await _copy(attempt, recovery, pages_per_step=pages_per_step, pause=pause)
            await asyncio.to_thread(attempt.install, quiesce)
        done = attempt.marker()
        return DatabaseRestored(
            subject=about, backup=done.backup, rows=done.rows, sha256=done.sha256
        )

    restore.__name__ = name
    return restore


async def _copy(
    attempt: _Attempt, recovery: Recovery, *, pages_per_step: int, pause: timedelta
) -> None:
    """Copy in a thread while the loop reports how far it is; cancelling stops the thread too."""
    cancelled = threading.Event()
    fraction = reported = 0.0

    def on_step(now: float) -> None:
        nonlocal fraction
        fraction = now
        if cancelled.is_set():
            raise Superseded("the restore was cancelled")

    copying = asyncio.create_task(
        asyncio.to_thread(
            copy,
            attempt.backup,
            attempt.copy,
            pages_per_step=pages_per_step,
            pause=pause,
            on_step=on_step,
        )
    )
    try:
        while not copying.done():
            await asyncio.wait({copying}, timeout=PROGRESS_EVERY_SECONDS)
            if fraction > reported:
                reported = fraction
                await recovery.progress(reported, f"copying {attempt.backup.name}")
        await copying
    finally:
        cancelled.set()
        await asyncio.gather(copying, return_exceptions=True)


class _Attempt:
    """One attempt, fenced: every step that touches the database checks the marker's token."""

    def __init__(self, database: Path, backup: Path, *, event_id: str, token: int) -> None:
        self.database = database
        self.backup = backup
        self.event_id = event_id
        self.token = token
        self.copy = database.with_name(f".{database.name}.restoring.{token}")
        self._marker = database.with_name(f".{database.name}.restored.json")
        self._lock = database.with_name(f".{database.name}.restore.lock")

    def marker(self) -> Marker:
        """Read the marker; one that was never written belongs to nobody (token 0)."""
        try:
            return Marker(**json.loads(self._marker.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Marker(event_id="", token=0)

    def claim(self) -> tuple[Decision, Condition]:
        """Examine and decide; to restore, shut out older attempts and drop their copies.

        Raises:
            PermanentError: a restore is needed and the backup is missing or damaged.
            Superseded: a newer attempt claimed the database.
        """
        with locked(self._lock, within=LOCK_WITHIN):
            backup = examine(self.backup, writable=False)
            condition = examine(self.database)
            decision = decide(
                event_id=self.event_id,
                token=self.token,
                marker=self.marker(),
                database=condition,
                required=backup.tables,
            )
            if decision is Decision.SUPERSEDED:
                raise self._superseded()
            if decision is Decision.RESTORE:
                if not backup.sound:
                    raise PermanentError(f"the backup {self.backup} is unusable: {backup.damage}")
                self._write(Marker(event_id=self.event_id, token=self.token))
                self._drop_copies()
            return decision, condition

    def install(self, quiesce: Callable[[], object] | None) -> None:
        """Verify the copy and rename it over the database.

        Raises:
            PermanentError: the copy is not sound, though the backup was.
            Superseded: a newer attempt claimed the database meanwhile.
        """
        with locked(self._lock, within=LOCK_WITHIN):
            # Before the copy is looked at: whoever is newer has removed it.
            if self.marker().token != self.token:
                raise self._superseded()
            condition = examine(self.copy)
            if not condition.sound:
                raise PermanentError(f"the copy {self.copy} is damaged: {condition.damage}")
            self._own_like_the_original()
            sync_file(self.copy)
            done = Marker(
                event_id=self.event_id,
                token=self.token,
                backup=str(self.backup),
                rows=condition.rows,
                sha256=digest(self.copy),
            )
            if quiesce is not None:
                quiesce()
            # Written before the rename: a crash between the two leaves a damaged database, which
            # is restored again; the other order would leave a restore nobody can recognise.
            self._write(done)
            for suffix in SIDECARS:
                self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)
            self.copy.replace(self.database)
            sync_directory(self.database.parent)

    def _own_like_the_original(self) -> None:
        original = self.database if self.database.exists() else self.backup
        shutil.copymode(original, self.copy)
        if os.geteuid() == 0:
            status = original.stat()
            os.chown(self.copy, status.st_uid, status.st_gid)

    def _drop_copies(self) -> None:
        for abandoned in self.database.parent.glob(f".{self.database.name}.restoring.*"):
            abandoned.unlink(missing_ok=True)

    def _write(self, marker: Marker) -> None:
        replace_text(self._marker, json.dumps(asdict(marker)))

    def _superseded(self) -> Superseded:
        return Superseded(f"a newer attempt than token {self.token} restores {self.database}")

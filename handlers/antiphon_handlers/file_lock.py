"""A lock between processes of one machine, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from antiphon import TransientError

POLL_SECONDS = 0.02
"""How often a waiting taker looks at a held lock again."""


@contextmanager
def locked(path: Path, *, within: timedelta) -> Iterator[int]:
    """Hold an exclusive lock on ``path`` (created when missing), and give its descriptor.

    The kernel frees the lock when the last holder of the descriptor dies, so a killed worker
    leaves nothing behind; a child that inherits the descriptor keeps the lock until it closes it.

    Raises:
        TransientError: somebody else held the lock for the whole of ``within``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, path, within)
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, within: timedelta) -> None:
    give_up = time.monotonic() + within.total_seconds()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                seconds = within.total_seconds()
                raise TransientError(
                    f"{path} was locked by another worker for {seconds:g} s; "
                    f"this attempt steps back and is retried"
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return

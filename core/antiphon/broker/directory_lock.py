"""One server per data directory: two would tear each other's append-only file."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from antiphon.errors import ConfigurationError

_LOCK_FILE = "server.lock"
_OURS_ONLY = 0o600


class DirectoryLock:
    """An exclusive claim on a directory, which ends with the last process that holds it.

    The claim belongs to the open file, not to this process: a child that inherits ``fileno()``
    keeps it while it lives, even when the process that took the lock was killed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, without waiting.

        Raises:
            ConfigurationError: Another server holds it.
        """
        descriptor = os.open(self._directory / _LOCK_FILE, os.O_RDWR | os.O_CREAT, _OURS_ONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise ConfigurationError(
                f"{self._directory} is in use by another server, started by process {holder}: "
                "stop that one, or choose another data directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the file descriptor to hand to the child, or -1 when the lock is not held."""
        return -1 if self._descriptor is None else self._descriptor

    def release(self) -> None:
        """Give the lock back; twice is fine. The file stays: removing it would race a new lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

"""What a server keeps in its data directory, around the data itself."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path

from antiphon.broker.directory_lock import DirectoryLock
from antiphon.broker.private_file import write_private
from antiphon.errors import ConfigurationError

_LONGEST_SOCKET_PATH_BYTES = 100  # the kernel's limit is 104 on macOS and 108 on Linux
_OURS_ONLY = 0o700


class ServerFiles:
    """The data directory of one server, from ``claim`` to ``release``.

    Attributes:
        data_dir: The directory; whoever claims it first has it.
        log: What the server says.
        socket_path: Its unix socket, in a directory of mode 0700; known once claimed.
        password: The one password of this directory, kept so that URLs outlive the server;
            known once claimed.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.log = self.data_dir / "server.log"
        self.socket_path = self.data_dir / "run" / "redis.sock"
        self.password = ""
        self._lock = DirectoryLock(self.data_dir)

    @property
    def claimed(self) -> bool:
        """Whether the directory is ours now."""
        return self._lock.fileno() >= 0

    def claim_descriptor(self) -> int:
        """Return the descriptor that carries the claim, for the server to inherit."""
        return self._lock.fileno()

    def claim(self) -> None:
        """Take the directory, made if need be, and lay out what a server needs.

        Raises:
            ConfigurationError: Another server has it, or it cannot be written.
        """
        try:
            self.data_dir.mkdir(mode=_OURS_ONLY, parents=True, exist_ok=True)
            self._lock.acquire()
            self.password = self._stable_password()
            self.socket_path = self._socket_dir() / self.socket_path.name
        except OSError as error:
            self._lock.release()
            raise ConfigurationError(f"cannot keep a server in {self.data_dir}: {error}") from error

    def release(self) -> None:
        """Give the directory back, without the socket. Safe to call twice."""
        if self.claimed:
            shutil.rmtree(self.socket_path.parent, ignore_errors=True)
            self._lock.release()

    def last_words(self) -> str:
        """Return the last line of the log, which is where a server says why it gave up."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def _stable_password(self) -> str:
        path = self.data_dir / "password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text(encoding="utf-8")

    def _socket_dir(self) -> Path:
        nearby = self.data_dir / "run"
        if len(os.fsencode(nearby / self.socket_path.name)) > _LONGEST_SOCKET_PATH_BYTES:
            return Path(tempfile.mkdtemp(prefix="antiphon-"))
        shutil.rmtree(nearby, ignore_errors=True)  # a killed server leaves its socket
        nearby.mkdir(mode=_OURS_ONLY)
        return nearby

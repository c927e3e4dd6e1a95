"""A private Redis-protocol server, run as a child of this process.

It serves a first run, a single machine and the tests with the same guarantees as a real deployment:
by default every write is on disk before it is answered, nothing is ever evicted, and nobody
without the password gets in. It listens on a unix socket that only its user can reach, and on a
loopback port when asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from antiphon.broker import tether
from antiphon.broker.binary import ServerBinary, find_server
from antiphon.broker.local import (
    ServerNote,
    answers,
    default_data_dir,
    local_url,
    remove_note,
    resolve_url,
    write_note,
)
from antiphon.broker.server_files import ServerFiles
from antiphon.errors import ConfigurationError

__all__ = [
    "Durability",
    "EmbeddedServer",
    "ServerBinary",
    "find_server",
    "local_url",
    "resolve_url",
]

Durability = Literal["always", "everysec", "none"]
"""When a write is on disk: before it is answered, within a second, or never (memory only)."""

_POLL_SECONDS = 0.005
_STOPS_WITHIN_SECONDS = 10
_LARGEST_PORT = 65_535


class EmbeddedServer:
    """A server on a data directory, from ``start`` (or ``with``, or ``async with``) to ``stop``.

    The URL stays the same for a data directory across restarts, except where the directory's path
    is too long for a unix socket, so that clients can reconnect.

    On Linux the server ends with the *thread* that started it: start it from the main thread, or
    from one that lives as long as the server should.

    Args:
        data_dir: Where it keeps its files; created when absent. The user's own directory unless
            given. One server at a time.
        port: A TCP port on 127.0.0.1 to listen on as well. None: the unix socket only.
        durability: When a write is on disk.
        ready_within: How long it may take to load its data and answer.

    Raises:
        ConfigurationError: The port is not a port.
    """

    def __init__(
        self,
        data_dir: Path | None = None,
        *,
        port: int | None = None,
        durability: Durability = "always",
        ready_within: timedelta = timedelta(seconds=60),
    ) -> None:
        if port is not None and not 1 <= port <= _LARGEST_PORT:
            raise ConfigurationError(f"port {port} is not a port: 1 to {_LARGEST_PORT}")
        self.port = port
        self.durability = durability
        self._ready_within = ready_within
        self._files = ServerFiles(data_dir or default_data_dir())
        self._binary: ServerBinary | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        # Only the waiting goes to a thread: the server must be the child of a lasting one.
        self._claim()
        try:
            self._spawn()
            await asyncio.to_thread(self._await_ready)
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def data_dir(self) -> Path:
        """Where the server keeps its files."""
        return self._files.data_dir

    @property
    def url(self) -> str:
        """The URL for clients, password included: over TCP when there is a port."""
        if self.port is None:
            return self.socket_url
        # The user is named, for redis-cli 7.0 takes an empty name to be one.
        return f"redis://default:{self._files.password}@127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """The URL of the unix socket, password included."""
        return f"unix://:{self._files.password}@{quote(str(self.socket_path))}?db=0"

    @property
    def socket_path(self) -> Path:
        """The unix socket, in a directory that only its user may enter."""
        return self._files.socket_path

    @property
    def log(self) -> Path:
        """What the server itself said since it was last started."""
        return self._files.log

    @property
    def pid(self) -> int:
        """The server's process id.

        Raises:
            RuntimeError: The server is not running.
        """
        return self._running().pid

    @property
    def binary(self) -> ServerBinary:
        """The program that is run, found at first use."""
        if self._binary is None:
            self._binary = find_server()
        return self._binary

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            ServerNotFound: There is no server program on this machine.
            ConfigurationError: The data directory is in use or cannot be written, or the server
                gave up; the message carries its last words.
        """
        self._claim()
        try:
            self._spawn()
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server politely, then firmly. Safe to call twice, and after ``kill``."""
        if self._process is not None:
            self._end()
        if self._files.claimed:
            remove_note(self.data_dir)
            self._files.release()

    def kill(self) -> None:
        """End the server as a crash would, mid-write if need be. ``restart`` brings it back."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop the server if it runs, and start it on the same data, at the same URL.

        Raises:
            RuntimeError: It was never started, or was stopped.
            ConfigurationError: It did not come back.
        """
        if not self._files.claimed:
            raise RuntimeError(f"the server on {self.data_dir} is not started: call start()")
        if self._process is not None:
            self._end()
        self._spawn()
        self._await_ready()

    def wait(self) -> int:
        """Block until the server ends by itself and return its exit status."""
        return self._running().wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"the server on {self.data_dir} is not running")
        return self._process

    def _claim(self) -> None:
        if self._files.claimed:
            raise RuntimeError(f"the server on {self.data_dir} is already started")
        _ = self.binary  # without a program there is nothing to make room for
        self._files.claim()

    def _spawn(self) -> None:
        # The configuration holds the password: it goes through the server's input, from a file
        # without a name, so that no argument list and no directory shows it.
        with tempfile.TemporaryFile() as config, self.log.open("wb") as log:
            config.write(self._config().encode())
            config.seek(0)
            self._process = subprocess.Popen(  # noqa: S603  the arguments are ours
                [
                    *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid())),
                    *(str(self.binary.path), "-"),
                ],
                stdin=config,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(self._files.claim_descriptor(),),
                process_group=0,  # a Ctrl-C is for the parent, which then stops the server
                umask=0o077,
            )

    def _config(self) -> str:
        listening = f"port {self.port}\nbind 127.0.0.1" if self.port else "port 0"
        return f"""\
{listening}
unixsocket {_quoted(self.socket_path)}
unixsocketperm 600
requirepass {self._files.password}
dir {_quoted(self.data_dir)}
appendonly {"no" if self.durability == "none" else "yes"}
appendfsync {"no" if self.durability == "none" else self.durability}
save ""
maxmemory-policy noeviction
"""

    def _await_ready(self) -> None:
        process = self._running()
        deadline = time.monotonic() + self._ready_within.total_seconds()
        while not answers(self.socket_url):
            if process.poll() is not None:
                raise ConfigurationError(
                    f"{self.binary} ended with status {process.returncode} instead of starting: "
                    f"{self._files.last_words()}"
                )
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"{self.binary} did not answer within {self._ready_within.total_seconds():g} s "
                    f"(its log is {self.log}): {self._files.last_words()}"
                )
            time.sleep(_POLL_SECONDS)
        write_note(self.data_dir, ServerNote(process.pid, self.url, self.socket_url))

    def _end(self) -> None:
        process = self._running()
        process.terminate()
        process.send_signal(signal.SIGCONT)  # a suspended server cannot hear
        try:
            process.wait(_STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            # It refuses to end when its disk is full; what it answered for is on disk already.
            process.kill()
            process.wait()
        self._process = None


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

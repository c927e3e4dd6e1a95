"""The server that already runs on this machine, and which server to talk to at all.

A running embedded server leaves ``server.json`` in its data directory, readable by its user only,
so that every command on the machine finds it without being told.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from antiphon.broker.private_file import write_private
from antiphon.errors import ServerNotFound
from antiphon.settings import Settings

_NOTE = "server.json"
_ANSWERS_WITHIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServerNote:
    """What a running server tells the other processes of its user."""

    pid: int
    url: str
    socket_url: str


def default_data_dir() -> Path:
    """Return the user's own place for the server's files, by the XDG rules."""
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    # The specification says to ignore a relative path.
    home = state if state.is_absolute() else Path.home() / ".local" / "state"
    return home / "antiphon"


def write_note(data_dir: Path, note: ServerNote) -> None:
    """Leave the note in the data directory, for ``local_url``."""
    write_private(data_dir / _NOTE, json.dumps(asdict(note)))


def remove_note(data_dir: Path) -> None:
    """Take the note away; that there is none is fine."""
    (data_dir / _NOTE).unlink(missing_ok=True)


def local_url(data_dir: Path | None = None) -> str | None:
    """Return the URL of the embedded server running on this directory, or None.

    A note left behind by a server that was killed is not believed: its process must be alive and
    must answer.

    Args:
        data_dir: Where the server keeps its files; the default directory unless given.
    """
    try:
        text = ((data_dir or default_data_dir()) / _NOTE).read_text(encoding="utf-8")
        note = ServerNote(**json.loads(text))
    except (OSError, ValueError, TypeError):
        return None
    return note.url if _is_alive(note.pid) and answers(note.socket_url) else None


def resolve_url(settings: Settings) -> str:
    """Return the URL to use: the one in the settings, else that of the local server.

    Raises:
        ServerNotFound: There is neither.
    """
    url = settings.redis_url or local_url()
    if url is None:
        raise ServerNotFound(
            "no Redis server to talk to: set ANTIPHON_REDIS_URL (as in redis://localhost:6379/0), "
            "or start a local server with `antiphon server`"
        )
    return url


def answers(socket_url: str) -> bool:
    """Ask the server behind a ``unix://`` URL for a PONG, without a client library."""
    parts = urlsplit(socket_url)
    password = unquote(parts.password or "").encode()
    request = b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*1\r\n$4\r\nPING\r\n" % (len(password), password)
    expected = b"+OK\r\n+PONG\r\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWERS_WITHIN_SECONDS)
            connection.connect(unquote(parts.path))
            connection.sendall(request)
            reply = b""
            while len(reply) < len(expected) and (more := connection.recv(256)):
                reply += more
    except OSError:
        return False
    return reply == expected


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""The server that runs on this machine is found, and only while it really runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from antiphon.broker.local import (
    ServerNote,
    default_data_dir,
    local_url,
    resolve_url,
    write_note,
)
from antiphon.broker.server import EmbeddedServer
from antiphon.errors import ServerNotFound
from antiphon.settings import Settings


def test_a_running_server_is_found(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands on the machine need no URL while the user's server runs; one that is set wins."""
    with pytest.raises(ServerNotFound, match="antiphon server"):
        resolve_url(Settings())
    monkeypatch.setattr("antiphon.broker.local.default_data_dir", lambda: server.data_dir)
    assert resolve_url(Settings()) == server.url
    assert resolve_url(Settings(redis_url="redis://elsewhere")) == "redis://elsewhere"


def test_a_note_left_behind_is_not_believed(server: EmbeddedServer) -> None:
    """A crash leaves the note; a dead process or a silent socket gives it away."""
    server.kill()
    assert (server.data_dir / "server.json").exists()
    assert local_url(server.data_dir) is None
    # The process id was given to another process since.
    write_note(server.data_dir, ServerNote(os.getpid(), server.url, server.socket_url))
    assert local_url(server.data_dir) is None
    (server.data_dir / "server.json").write_text("{not json", encoding="utf-8")
    assert local_url(server.data_dir) is None


def test_data_lives_where_the_user_keeps_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The XDG rules hold: an absolute XDG_STATE_HOME, else the home directory's own."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "antiphon"
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_STATE_HOME", ignored)
        assert default_data_dir() == Path("/home/ada/.local/state/antiphon")

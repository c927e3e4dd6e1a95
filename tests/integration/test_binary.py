"""Finding a server program: the first that will do, and plain words when none does."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.broker.binary import find_server
from antiphon.broker.server import EmbeddedServer
from antiphon.errors import ServerNotFound


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)


def _program(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
    script.chmod(0o755)


@pytest.mark.usefixtures("without_extra")
def test_no_server_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal says what was looked for and three ways to get one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerNotFound) as refusal:
        find_server()
    for words in ("valkey-server", "redis-server", "antiphon[embedded]", "ANTIPHON_REDIS_URL"):
        assert words in str(refusal.value)
    with pytest.raises(ServerNotFound):
        EmbeddedServer(tmp_path / "data").start()
    assert not (tmp_path / "data").exists()


@pytest.mark.usefixtures("without_extra")
def test_a_server_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server before 7.0, or one that does not run, is named with the reason."""
    _program(tmp_path, "redis-server", "echo 'Redis server v=6.2.14 sha=0 bits=64'")
    _program(tmp_path, "valkey-server", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerNotFound) as refusal:
        find_server()
    assert f"{tmp_path}/redis-server is 6.2.14, older than 7.0" in str(refusal.value)
    assert f"{tmp_path}/valkey-server does not run" in str(refusal.value)


def test_the_first_that_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valkey is asked before Redis, and one too old is passed over."""
    _program(tmp_path, "valkey-server", "echo 'Valkey server v=6.9.0 sha=0'")
    _program(tmp_path, "redis-server", "echo 'Redis server v=7.4.1 sha=0'")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(find_server()) == "redis-server 7.4.1"
    _program(tmp_path, "valkey-server", "echo 'Valkey server v=10.0.2 sha=0'")
    assert str(find_server()) == "valkey-server 10.0.2"

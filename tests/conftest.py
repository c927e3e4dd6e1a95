"""One real server for the whole session, a cell of its own for each test, and nothing left over."""

from __future__ import annotations

import inspect
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import hypothesis
import pytest
from redis import Redis

from antiphon.broker.server import EmbeddedServer
from antiphon.errors import ServerNotFound
from antiphon.settings import ENV_PREFIX, Settings
from leaks import immortal_keys, keys_of, lasts, processes_left, tasks_left
from witness import Witness

# Shells start background jobs deaf to Ctrl-C, and programs inherit it; tests send it to programs.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is a matter of the machine: speed is measured in benchmarks, not here.
hypothesis.settings.register_profile("antiphon", deadline=None)
hypothesis.settings.load_profile("antiphon")


@contextmanager
def _server_or_skip() -> Iterator[None]:
    try:
        yield
    except ServerNotFound as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    # Nothing kills this one, so its disk need not be waited for.
    running = EmbeddedServer(tmp_path_factory.mktemp("shared-server"), durability="none")
    with _server_or_skip():
        running.start()
    lasts(running.pid)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def redis_url(shared_server: EmbeddedServer) -> str:
    return shared_server.url


@pytest.fixture(scope="session")
def _inspector(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def cell(_inspector: Redis) -> Iterator[str]:
    """Name a cell that is this test's alone, and hold it to its promise: keys expire."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    immortal = immortal_keys(_inspector, name)
    if keys := keys_of(_inspector, name):
        _inspector.unlink(*keys)
    assert not immortal, f"these keys would never expire: {', '.join(immortal)}"


@pytest.fixture
def settings(redis_url: str, cell: str) -> Settings:
    return Settings(redis_url=redis_url, cell=cell)


@pytest.fixture
async def witness(settings: Settings) -> AsyncIterator[Witness]:
    async with Witness.open(settings) as seen:
        yield seen


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A durable server of the test's own, to kill and restart."""
    running = EmbeddedServer(tmp_path_factory.mktemp("server"))
    with _server_or_skip():
        running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def _empty_home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("state"))


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch, _empty_home: str) -> None:
    """Keep the developer's own settings and servers out of the tests."""
    for name in list(os.environ):
        if name.startswith(ENV_PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", _empty_home)


@pytest.fixture(autouse=True)
def _no_process_left() -> Iterator[None]:
    yield
    left = processes_left()
    named = [str(process) for process in left]
    for process in left:
        process.kill()
    assert not left, f"the test left processes behind: {', '.join(named)}"


@pytest.fixture(autouse=True)
def _no_task_left(request: pytest.FixtureRequest, _no_process_left: None) -> None:
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_watched_loop")


@pytest.fixture
async def _watched_loop() -> AsyncIterator[None]:
    yield
    left = await tasks_left()
    for task in left:
        task.cancel()
    assert not left, f"the test left tasks running: {', '.join(map(repr, left))}"

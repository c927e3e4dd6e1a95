"""The shipped handlers as a service owner registers them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from antiphon import ConfigurationError, Service
from antiphon.handler import read_signature
from antiphon_events import CacheWarmed, DatabaseRestored, Event, ServiceFailed, ServiceRestarted
from antiphon_handlers.process import ManagedProcess
from antiphon_handlers.restart_process import restart_process
from antiphon_handlers.restore_sqlite import restore_sqlite
from antiphon_handlers.warm_cache import warm_cache

HERE = Path("orders.db")
PROCESS = ManagedProcess(
    command=(sys.executable,), cwd=Path(), pidfile=Path("pid.json"), ready_url="http://127.0.0.1/"
)


@pytest.mark.parametrize(
    ("handler", "name", "completion"),
    [
        (restore_sqlite(HERE, HERE), "restore", DatabaseRestored),
        (restart_process(PROCESS), "restart", ServiceRestarted),
        (warm_cache("http://127.0.0.1/", "http://127.0.0.1/", subject="c"), "warm", CacheWarmed),
    ],
)
def test_a_shipped_handler_registers_as_a_hand_written_one(
    handler: Callable[..., Any], name: str, completion: type[Event]
) -> None:
    """It has a name for its consumer group, takes event and recovery, and says what it emits."""
    service = Service("orders-db")
    service.on(ServiceFailed.about("orders-db"))(handler)
    (registered,) = service.handlers
    assert registered.group == f"orders-db.{name}"
    assert read_signature(handler).completions == (completion,)


def test_two_of_a_kind_get_names_of_their_own() -> None:
    """One service may restore two databases, when each handler is named."""
    service = Service("orders-db")
    on_failure = service.on(ServiceFailed.about("orders-db"))
    on_failure(restore_sqlite(HERE, HERE))
    with pytest.raises(ConfigurationError, match="restore"):
        on_failure(restore_sqlite(HERE, HERE))
    on_failure(restore_sqlite(HERE, HERE, name="restore_archive"))
    assert [handler.name for handler in service.handlers] == ["restore", "restore_archive"]

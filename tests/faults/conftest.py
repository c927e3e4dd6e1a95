"""What the fault tests share: a world for effects, and workers in it that can be killed."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import structlog

from antiphon import Settings
from child import Child, StartChild
from world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def doomed_worker(tmp_path: Path) -> StartChild:
    """Start a worker process that runs into the trouble named."""

    def start(settings: Settings, trouble: str) -> AbstractAsyncContextManager[Child]:
        return Child.running(
            "doomed:orders",
            settings,
            tmp_path / "worker.log",
            WORLD=str(tmp_path),
            TROUBLE=trouble,
        )

    return start


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What this process logs meanwhile."""
    with structlog.testing.capture_logs() as captured:
        yield captured

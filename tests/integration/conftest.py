"""What integration tests share: a cell of the test kit in a hurry, and an archive to file from."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from antiphon import Settings
from antiphon.broker.session import Session
from antiphon.testing import Cell
from archive import Archive


@pytest.fixture
async def kit(redis_url: str) -> AsyncIterator[Cell]:
    async with Cell.open(redis_url, hurry=True) as cell:
        yield cell


@pytest.fixture
async def archive(settings: Settings) -> AsyncIterator[Archive]:
    session = Session.open(settings)
    yield Archive(session)
    await session.aclose()

"""A cell of the test kit, in which no test waits long."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from antiphon.testing import Cell


@pytest.fixture
async def kit(redis_url: str) -> AsyncIterator[Cell]:
    async with Cell.open(redis_url, hurry=True) as cell:
        yield cell

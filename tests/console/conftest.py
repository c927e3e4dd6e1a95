"""A console of a test's own, without a port, and people to visit it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from antiphon import Settings
from consoles import House


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    async with House.open(settings) as opened:
        yield opened

"""A console of a test's own, without a port, its visitors, and the cell behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from antiphon import Settings
from antiphon.broker.errand import Errand
from consoles import House, Visitor


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    async with House.open(settings) as opened:
        yield opened


@pytest.fixture
async def errand(settings: Settings) -> AsyncIterator[Errand]:
    async with Errand.begin(settings) as begun:
        yield begun


@pytest.fixture
async def cleo(house: House) -> Visitor:
    return await house.visitor("cleo")

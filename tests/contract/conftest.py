"""A cell that the tests of the scripts work by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from antiphon.broker.errand import Errand
from antiphon.settings import Settings
from scripted import ScriptedCell


@pytest.fixture
async def work(settings: Settings) -> AsyncIterator[ScriptedCell]:
    """The test's own cell, worked script by script."""
    async with Errand.begin(settings) as errand:
        yield ScriptedCell(errand)

"""A cell that the tests of the scripts work by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from antiphon import Publisher
from antiphon.broker.errand import Errand
from antiphon.settings import Settings
from flowing import FlowCell
from guarded import GuardedCell, clock_to_set
from scripted import ScriptedCell


@pytest.fixture
async def work(settings: Settings) -> AsyncIterator[ScriptedCell]:
    """The test's own cell, worked script by script."""
    async with Errand.begin(settings) as errand:
        yield ScriptedCell(errand)


@pytest.fixture
async def flow(settings: Settings) -> AsyncIterator[FlowCell]:
    """The test's own cell, for recoveries that have a flow."""
    async with Errand.begin(settings) as errand:
        yield FlowCell(errand)


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[GuardedCell]:
    """The test's own cell, for handlers that have guards."""
    async with Errand.begin(settings) as errand:
        yield GuardedCell(errand)


@pytest.fixture
async def publishers(settings: Settings) -> AsyncIterator[list[Publisher]]:
    """Programs that publish, each over a connection of its own."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Publisher(settings, source=f"probe-{number}"))
            for number in range(8)
        ]


@pytest.fixture
def clock() -> Iterator[None]:
    """Let the test say what time it is."""
    with clock_to_set():
        yield

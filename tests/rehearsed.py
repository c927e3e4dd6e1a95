"""A failure rehearsed with the test kit: a service fails while others run, up to the end of it."""

from __future__ import annotations

from antiphon import Service, Settings
from antiphon.testing import Cell
from antiphon.trace import Trace
from antiphon_events import ServiceFailed

NOWHERE = Settings(redis_url="redis://localhost:1/0", cell="nowhere")


async def failed(cell: Cell, *services: Service, subject: str = "api") -> Trace:
    """Have a service fail while these run, and wait for the end of it."""
    async with cell.running(*services):
        return await cell.settled(await cell.publish(ServiceFailed(subject=subject)))

"""A duty is done again and again, whatever comes of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from antiphon.duties.loop import Loop


class Defective:
    """A chore that raises what nobody expects, the first time."""

    name = "defective"
    every = timedelta(milliseconds=1)

    def __init__(self) -> None:
        self.times, self.enough = 0, asyncio.Event()

    async def once(self) -> None:
        self.times += 1
        if self.times == 1:
            raise KeyError("a defect")
        self.enough.set()


async def test_a_defect_does_not_end_a_duty() -> None:
    """It is said, counted, and tried again: a chore that ends silently is missed too late."""
    duty = Defective()
    loop = Loop(duty)
    loop.start()
    await asyncio.wait_for(duty.enough.wait(), 5)
    await loop.stop()

"""The surveyor: looks at the whole cell now and then, for those who ask Prometheus about it."""

from __future__ import annotations

from datetime import timedelta

from antiphon.broker.survey import Surveying
from antiphon.telemetry.cell import CELL


class Surveyor:
    """Keeps the survey that is told; each process that is asked has one of its own."""

    name = "surveyor"
    every = timedelta(seconds=10)

    def __init__(self, surveying: Surveying) -> None:
        self._surveying = surveying

    async def once(self) -> None:
        """Survey, and tell this from now on."""
        CELL.update(await self._surveying.survey())

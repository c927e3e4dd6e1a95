"""Duties: small chores that any number of workers may do at the same time."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import timedelta
from typing import Protocol

from antiphon.broker.faults import SERVER_ERRORS
from antiphon.errors import AntiphonError
from antiphon.outcome import describe
from antiphon.tasks import called_off
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.metrics import duty_failed, duty_succeeded

_LAST_STEP_S = 1.0


class Duty(Protocol):
    """One chore."""

    @property
    def name(self) -> str:
        """What the log calls it."""

    @property
    def every(self) -> timedelta:
        """How often it is done."""

    async def once(self) -> None:
        """Do it once."""


class Loop:
    """Does one duty again and again, and survives its failures."""

    def __init__(self, duty: Duty) -> None:
        self.duty = duty
        self.progressed = time.monotonic()
        """When the duty last succeeded, on the monotonic clock."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._log = get_logger()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"antiphon.{self.duty.name}")

    def wake(self) -> None:
        """Do the duty now rather than at its time."""
        self._wake.set()

    async def stop(self) -> None:
        """End after the step under way, or in the middle of one that takes too long.

        Every step is atomic on the server; but what a step has claimed, and nobody was told of,
        would wait for the lease to end.
        """
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_LAST_STEP_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _fail(self, error: str) -> None:
        self._log.warning("duty.failed", duty=self.duty.name, error=error)
        duty_failed(self.duty.name)

    async def _run(self) -> None:
        while not (self._stopping or called_off()):
            try:
                await self.duty.once()
                self.progressed = time.monotonic()
                duty_succeeded(self.duty.name)
            except (AntiphonError, *SERVER_ERRORS) as error:
                self._fail(str(error))
            except Exception as error:  # noqa: BLE001 - a defect must not end the chore silently
                self._fail(describe(error))
            # Jitter keeps the workers of a cell from doing the same chore at the same instant.
            if self._stopping or called_off():
                return
            pause = self.duty.every.total_seconds() * random.uniform(0.8, 1.2)  # noqa: S311
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

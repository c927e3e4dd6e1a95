"""Watching a cell until a guard has decided, and telling of what is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from antiphon import Settings
from antiphon.broker.errand import Errand
from antiphon_handlers.demo.directory import Role, ShopDirectory
from antiphon_handlers.demo.guards.findings import Findings
from antiphon_handlers.demo.guards.sight import Sight, look
from antiphon_handlers.demo.house import DemoFailed, Place, perform
from antiphon_handlers.demo.narrator import Narrator
from antiphon_handlers.demo.stage import LOOK_EVERY_SECONDS, Stage

DECIDED_WITHIN_SECONDS = 90.0


@dataclass(slots=True)
class Watch:
    """Looks at a cell again and again, and shows its latest recovery."""

    stage: Stage
    errand: Errand
    narrator: Narrator
    _seen: int = 0
    """Recoveries that have been told of."""

    async def until(self, over: Callable[[Sight], bool]) -> Sight:
        """Watch until something is seen, and return the sight of it.

        Raises:
            DemoFailed: it was not seen in time.
            AntiphonError: a worker or the probe has ended by itself.
        """
        with self.narrator.recovering():
            try:
                async with asyncio.timeout(DECIDED_WITHIN_SECONDS):
                    while True:
                        sight = await self._look()
                        self._show(sight)
                        if over(sight):
                            return sight
                        await asyncio.sleep(LOOK_EVERY_SECONDS)
            except TimeoutError:
                limit = f"within {DECIDED_WITHIN_SECONDS:g} s"
                raise DemoFailed(f"nothing was decided {limit}") from None

    async def after(self, seconds: float) -> Sight:
        """Look once more when some time has passed, for what should not have happened in it."""
        await asyncio.sleep(seconds)
        sight = await self._look()
        self._show(sight)
        return sight

    def conclude(self, sight: Sight) -> None:
        """Show the latest recovery as a whole, and what the guards know, if anything."""
        if sight.trace is not None:
            self.narrator.conclude(sight.trace)
        if not sight.guards.quiet:
            self.narrator.guards(sight.guards)

    async def _look(self) -> Sight:
        self.stage.check_children()
        return await look(self.errand)

    def _show(self, sight: Sight) -> None:
        if sight.trace is None:
            return
        if len(sight.recoveries) > self._seen:
            self._seen = len(sight.recoveries)
            self.narrator.say(f"Recovery {self._seen} is {sight.trace.correlation_id}")
        self.narrator.show(sight.trace)


def restarts(stage: Stage, role: Role) -> int:
    """Count how often the process of a role was started again, by its own word."""
    log = stage.processes[role].output
    return log.read_text(encoding="utf-8").count(f"{role} serves on ") - 1


async def perform_watched(
    place: Place,
    narrator: Narrator,
    stage: Callable[[ShopDirectory, Settings], Stage],
    play: Callable[[Watch], Awaitable[Findings]],
) -> Findings:
    """Set a stage in a directory of its own, and watch what is played on it.

    Raises:
        ConfigurationError: the directory to keep is in use, or there is no server to use.
        DemoFailed: it could not be played to its end; the logs are kept.
    """

    async def act(shop: ShopDirectory, settings: Settings) -> Findings:
        with stage(shop, settings) as set_up:
            async with Errand.begin(settings) as errand:
                return await play(Watch(set_up, errand, narrator))

    return await perform(place, act)

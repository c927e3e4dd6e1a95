"""A loop: a restart that succeeds, and does not hold; again, and again, and not for ever."""

from __future__ import annotations

import os
from collections.abc import Iterator

from antiphon import Settings
from antiphon_handlers.demo.directory import ShopDirectory
from antiphon_handlers.demo.guards.ailing import ANSWERS, LEAK, ailing_process
from antiphon_handlers.demo.guards.findings import Findings
from antiphon_handlers.demo.guards.sight import Sight
from antiphon_handlers.demo.guards.watch import Watch, perform_watched, restarts
from antiphon_handlers.demo.house import Place
from antiphon_handlers.demo.narrator import Narrator
from antiphon_handlers.demo.stage import Stage

SERVICE = "antiphon_handlers.demo.guards.loop_services:orders_api"
ALLOWED = 3
SETTLED_SECONDS = 3.0
"""Longer than it takes from a death to the next restart."""


async def perform_loop(place: Place, narrator: Narrator) -> Findings:
    """Let a service die after each restart until a guard ends it.

    Raises:
        ConfigurationError: the directory to keep is in use, or there is no server to use.
        DemoFailed: it could not be played to its end; the logs are kept.
    """
    return await perform_watched(place, narrator, _stage, _play)


def _stage(shop: ShopDirectory, settings: Settings) -> Stage:
    process = ailing_process(shop, "orders-api", LEAK, owner=str(os.getpid()))
    return Stage(shop, settings, processes={"orders-api": process}, workers={"orders-api": SERVICE})


async def _play(watch: Watch) -> Findings:
    stage, narrator = watch.stage, watch.narrator
    narrator.say(
        f"orders-api leaks memory: it dies after {ANSWERS} answers, however it was started"
    )
    await stage.open()
    stage.start_probe("orders-api", failures=2)
    narrator.say("A probe asks it five times a second; its restart has a budget of 3 in 10m\n")

    def over(sight: Sight) -> bool:
        return bool(sight.told) or restarts(stage, "orders-api") > ALLOWED

    decided = await watch.until(over)
    before = restarts(stage, "orders-api")
    sight = await watch.after(SETTLED_SECONDS) if decided.told else decided
    watch.conclude(sight)
    count = restarts(stage, "orders-api")
    return Findings(
        demo="loop",
        moral=f"{count} restarts, then no more of them: people were told once, and decide now.",
        sight=sight,
        restarts=count,
        faults=tuple(_faults(sight, before, count)),
    )


def _faults(sight: Sight, before: int, restarted: int) -> Iterator[str]:
    """Say what went on that should not.

    Args:
        sight: the cell at the end.
        before: restarts when a guard decided.
        restarted: restarts in all.
    """
    if restarted > ALLOWED:
        yield f"{restarted} restarts, and {ALLOWED} are allowed"
    if not restarted:
        yield "nothing was restarted at all"
    if sight.told != 1:
        yield f"people were told {sight.told} times, not once"
    if restarted > before:
        yield "restarts went on after people were told"
    if not _stopped(sight):
        yield "automation was not stopped"


def _stopped(sight: Sight) -> bool:
    """Whether another failure of the service would start nothing."""
    guards = sight.guards
    paused = any(pause.scope.subject == "orders-api" for pause in guards.pauses)
    return paused or any(one.kind == "budget" and one.full for one in guards.windows)

"""A cascade: two restarts, each of which breaks what the other one mends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from antiphon import Settings
from antiphon_handlers.demo.directory import Role, ShopDirectory
from antiphon_handlers.demo.guards.ailing import RIVALRY, ailing_process, memory_of
from antiphon_handlers.demo.guards.crowd import gathered
from antiphon_handlers.demo.guards.findings import Findings
from antiphon_handlers.demo.guards.sight import Sight
from antiphon_handlers.demo.guards.watch import Watch, perform_watched, restarts
from antiphon_handlers.demo.house import Place
from antiphon_handlers.demo.narrator import Narrator
from antiphon_handlers.demo.stage import Stage

RIVALS: tuple[Role, ...] = ("orders-api", "orders-cache")
SERVICES = "antiphon_handlers.demo.guards.cascade_services"
MOST = 20
"""Restarts after which no limit can be expected any more: 16 hops are allowed."""

SETTLED_SECONDS = 1.0


async def perform_cascade(place: Place, narrator: Narrator) -> Findings:
    """Let two services break each other by their restarts until a limit ends it.

    Raises:
        ConfigurationError: the directory to keep is in use, or there is no server to use.
        DemoFailed: it could not be played to its end; the logs are kept.
    """
    return await perform_watched(place, narrator, _stage, _play)


def _stage(shop: ShopDirectory, settings: Settings) -> Stage:
    owner = str(os.getpid())
    return Stage(
        shop,
        settings,
        processes={role: ailing_process(shop, role, RIVALRY, owner=owner) for role in RIVALS},
        workers={role: f"{SERVICES}:{role.replace('-', '_')}" for role in RIVALS},
    )


async def _play(watch: Watch) -> Findings:
    stage = watch.stage
    watch.narrator.say("orders-api and orders-cache run on one machine, and each can be restarted")
    await stage.open()
    await _break(watch)

    def over(sight: Sight) -> bool:
        closed = sight.trace is not None and sight.trace.closed is not None
        return closed or _restarts(stage) > MOST

    decided = await watch.until(over)
    sight = await watch.after(SETTLED_SECONDS) if _restarts(stage) <= MOST else decided
    watch.conclude(sight)
    count = _restarts(stage)
    return Findings(
        demo="cascade",
        moral=f"{count} restarts, then the recovery was halted, its loop named, and people told.",
        sight=sight,
        restarts=count,
        failures=1,
        faults=tuple(_faults(sight, count)),
    )


async def _break(watch: Watch) -> None:
    """Take memory away from the machine, and kill one of the two."""
    stage = watch.stage
    memory_of(stage.shop).touch()
    os.kill(stage.pids()["serving"]["orders-api"], signal.SIGKILL)
    watch.narrator.say(
        "The machine has memory for one of them from now on; orders-api is killed with SIGKILL\n"
    )
    crowd = gathered(
        ["publisher"],
        stage.environment,
        stage.shop.logs,
        subject="orders-api",
        reason="killed with SIGKILL",
    )
    async with crowd as publisher:
        await publisher.publish(1)


def _restarts(stage: Stage) -> int:
    return sum(restarts(stage, role) for role in RIVALS)


def _faults(sight: Sight, count: int) -> Iterator[str]:
    """Say what went on that should not, after so many restarts."""
    trace = sight.trace
    if count > MOST:
        yield f"{count} restarts, and no limit ended it"
    if trace is None or trace.verdict != "halted":
        yield f"the verdict is {trace.verdict if trace else None}, not halted"
    elif trace.halt is None or any(trace.halt.path.count(role) < len(RIVALS) for role in RIVALS):
        yield "the loop is not named"
    if sight.told != 1:
        yield f"people were told {sight.told} times, not once"
    if len(sight.recoveries) != 1:
        yield f"{len(sight.recoveries)} recoveries, not one"

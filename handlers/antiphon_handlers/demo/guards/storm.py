"""A storm: one and the same failure a thousand times, and one recovery of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from antiphon import Settings
from antiphon.broker.errand import Errand
from antiphon_handlers.demo.directory import ShopDirectory
from antiphon_handlers.demo.guards.crowd import Crowd, gathered
from antiphon_handlers.demo.guards.findings import Findings
from antiphon_handlers.demo.guards.sight import Sight, commands
from antiphon_handlers.demo.guards.storm_services import calm_after
from antiphon_handlers.demo.guards.watch import Watch
from antiphon_handlers.demo.house import Place, perform
from antiphon_handlers.demo.narrator import Narrator
from antiphon_handlers.demo.stage import Stage

SERVICE = "antiphon_handlers.demo.guards.storm_services:orders_api"
FAILURES = 1000
PUBLISHERS = 8
MEASURED = 100
CONSTANT = 1.25
"""A later duplicate may cost so many times what an early one does: the worker is there as well."""


async def perform_storm(place: Place, narrator: Narrator) -> Findings:
    """Publish one failure a thousand times, and count what comes of it.

    Raises:
        ConfigurationError: the directory to keep is in use, or there is no server to use.
        DemoFailed: it could not be played to its end; the logs are kept.
    """

    async def play(shop: ShopDirectory, settings: Settings) -> Findings:
        with Stage(shop, settings, processes={}, workers={"orders-api": SERVICE}) as stage:
            crowd = gathered(
                [f"publisher-{number + 1}" for number in range(PUBLISHERS)],
                stage.environment,
                shop.logs,
                subject="orders-api",
                reason="no answer",
            )
            async with crowd as publishers, Errand.begin(settings) as errand:
                return await _play(Watch(stage, errand, narrator), publishers)

    return await perform(place, play)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Server commands for each duplicate, of the first hundred and of the last."""

    first: float
    last: float


async def _play(watch: Watch, crowd: Crowd) -> Findings:
    watch.narrator.say(
        f"{PUBLISHERS} publishers see orders-api fail, each from a process of its own"
    )
    await watch.stage.open()
    # All at once, so that they race for who opens the recovery.
    await crowd.publish(PUBLISHERS)
    await watch.until(_is_running)
    cost = await _storm(watch, crowd)
    calm_after(watch.stage.shop).touch()
    sight = await watch.until(lambda seen: all(one.status == "closed" for one in seen.recoveries))
    watch.conclude(sight)
    ran = sum(one.done + one.dead for one in sight.recoveries)
    return Findings(
        demo="storm",
        moral=f"{FAILURES} failures, one recovery, and its handler ran once.",
        sight=sight,
        restarts=ran,
        failures=FAILURES,
        first=cost.first,
        last=cost.last,
        faults=tuple(_faults(sight, ran, cost)),
    )


async def _storm(watch: Watch, crowd: Crowd) -> _Cost:
    """Publish the rest, the first and the last hundred of them measured."""
    say = watch.narrator.say
    say(f"\nThe restart is under way, and {FAILURES - PUBLISHERS} more failures come")
    first = await _measured(watch.errand, crowd)
    await crowd.publish(FAILURES - PUBLISHERS - 2 * MEASURED)
    last = await _measured(watch.errand, crowd)
    say(f"Server commands for each duplicate: {first:g} of the first hundred, {last:g} of the last")
    say("(a ledger has a line for each of the first 64 duplicates, and then for every 64th)")
    return _Cost(first, last)


async def _measured(errand: Errand, crowd: Crowd) -> float:
    """Publish a hundred duplicates; returns how many server commands each of them took."""
    before = await commands(errand)
    await crowd.publish(MEASURED)
    counting = 1  # the count itself is a command
    return (await commands(errand) - before - counting) / MEASURED


def _is_running(sight: Sight) -> bool:
    return sight.trace is not None and any(step.attempts for step in sight.trace.steps)


def _faults(sight: Sight, ran: int, cost: _Cost) -> Iterator[str]:
    """Say what is not as it should be, after the handler ran so many times."""
    joined = sum(one.coalesced for one in sight.recoveries)
    if len(sight.recoveries) != 1:
        yield f"{len(sight.recoveries)} recoveries, not one"
    if joined != FAILURES - 1:
        yield f"{joined} failures joined it, not {FAILURES - 1}"
    if ran != 1:
        yield f"the handler ran {ran} times, not once"
    if cost.last > CONSTANT * cost.first:
        yield f"a duplicate takes {cost.last:g} commands late, and {cost.first:g} early"

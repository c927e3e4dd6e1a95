"""A service that restores a database and warms a cache, and the ways in which it can go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from antiphon import Recovery, Retry, Service, Settings
from antiphon.broker.gather import Gatherer
from antiphon.broker.scripts import Call
from antiphon_events import CacheWarmed, DatabaseRestored, ServiceFailed
from world import World

Trouble = Callable[[World], Awaitable[None]]


async def none(world: World) -> None:
    """Nothing happens."""


async def die(world: World) -> None:
    """The worker is gone, with no chance to say anything."""
    os.kill(os.getpid(), signal.SIGKILL)


async def linger(world: World) -> None:
    """The handler waits until it may go on, and the worker goes on meanwhile."""
    world.raise_flag("lingering")
    try:
        await world.await_flag("go")
    except asyncio.CancelledError:
        world.do("cancelled")
        raise


async def hang(world: World) -> None:
    """The handler holds up the whole worker, heartbeat and all."""
    world.raise_flag("hanging")
    world.block_for_flag("go")


@dataclass(frozen=True)
class Troubles:
    """What happens to the first step before its effect, and after."""

    before: Trouble = none
    after: Trouble = none


def service(
    world: World, settings: Settings | None = None, troubles: Troubles = Troubles()
) -> Service:
    """The service, with troubles in its first step."""
    orders = Service("orders", settings=settings)

    @orders.on(ServiceFailed, retry=Retry(attempts=1))  # so that no failure can pass unnoticed
    async def restore(failed: ServiceFailed, recovery: Recovery) -> DatabaseRestored:
        await troubles.before(world)
        world.do(f"restore {failed.subject}")
        await troubles.after(world)
        return DatabaseRestored(subject=failed.subject)

    @orders.on(DatabaseRestored, retry=Retry(attempts=1))
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        world.do(f"warm {restored.subject}")
        return CacheWarmed(subject=restored.subject)

    return orders


def service_in_threads(world: World, settings: Settings | None = None) -> Service:
    """The service with a first step that is not async, and hangs until the flag is raised."""
    orders = Service("orders", settings=settings)

    @orders.on(ServiceFailed, retry=Retry(attempts=1))
    def restore(failed: ServiceFailed) -> DatabaseRestored:
        if not world.flag("hanging"):
            world.raise_flag("hanging")
            world.block_for_flag("go")
        world.do(f"restore {failed.subject}")
        return DatabaseRestored(subject=failed.subject)

    return orders


def die_around(script: str, *, sent: bool) -> None:
    """Have this process die when a script is called: before it is sent, or after its reply."""
    run = Gatherer.run

    async def fatal(gatherer: Gatherer, call: Call) -> Any:
        if call.script.name == script and not sent:
            os.kill(os.getpid(), signal.SIGKILL)
        reply = await run(gatherer, call)
        if call.script.name == script:
            os.kill(os.getpid(), signal.SIGKILL)
        return reply

    Gatherer.run = fatal  # type: ignore[method-assign,assignment]

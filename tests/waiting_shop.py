"""A service that waits: for people, for time, for branches, for what it takes back, for a child."""

from __future__ import annotations

from antiphon import Approval, Joined, PermanentError, Recovery, Retry, Service, Settings, all_of
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    DependencyUnavailable,
    Event,
    JoinTimedOut,
    ServiceDegraded,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
    ServiceUnhealthy,
)
from world import World

ONCE = Retry(attempts=1)  # so that no failure can pass unnoticed
PAUSE = "1500ms"
"""How long what waits for time waits."""


class LookDue(Event):
    """It is time to look again."""

    type = "look.due"


def service(world: World, settings: Settings | None = None) -> Service:
    """The service; each situation begins with a failure of its own type."""
    shop = Service("shop", settings=settings)
    _approval(shop, world)
    _delay(shop, world)
    _join(shop, world)
    _rollback(shop, world)
    _child(shop, world)
    return shop


async def _linger(world: World, what: str) -> None:
    """Have half an effect, so to speak: be in the midst of it until the flag is raised."""
    world.raise_flag(f"in {what}")
    await world.await_flag("go")
    world.do(what)


def _approval(shop: Service, world: World) -> None:
    @shop.on(ServiceFailed, retry=ONCE, approval=Approval(("ana",), within=None))
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        world.do(f"restart {failed.subject}")
        return ServiceRestarted(subject=failed.subject, pid=1)


def _delay(shop: Service, world: World) -> None:
    @shop.on(ServiceUnhealthy, retry=ONCE)
    async def wait(sick: ServiceUnhealthy, recovery: Recovery) -> None:
        recovery.publish(LookDue(subject=sick.subject), after=PAUSE)

    @shop.on(LookDue, retry=ONCE)
    async def look_again(due: LookDue) -> None:
        world.do(f"look again {due.subject}")


def _join(shop: Service, world: World) -> None:
    @shop.on(DependencyUnavailable, retry=ONCE)
    async def check(away: DependencyUnavailable) -> ServiceRecovered:
        return ServiceRecovered(subject=away.subject)

    @shop.on(all_of(ServiceRecovered, CacheWarmed.about("never")), within=PAUSE)
    async def reopen(joined: Joined) -> None:
        raise AssertionError(joined)

    @shop.on(JoinTimedOut, retry=ONCE)
    async def go_without(out: JoinTimedOut) -> None:
        world.do(f"go without {','.join(out.missing)}")


def _rollback(shop: Service, world: World) -> None:
    async def unrestore(failed: DatabaseFailed) -> None:
        await _linger(world, f"unrestore {failed.subject}")

    async def cool(restored: DatabaseRestored) -> None:
        await _linger(world, f"cool {restored.subject}")

    @shop.on(DatabaseFailed, retry=ONCE, undo=unrestore)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject=failed.subject)

    @shop.on(DatabaseRestored, retry=ONCE, undo=cool)
    async def warm(restored: DatabaseRestored) -> ServiceRestarted:
        return ServiceRestarted(subject=restored.subject, pid=1)

    @shop.on(ServiceRestarted.about("db"), retry=ONCE)
    async def open_doors(restarted: ServiceRestarted) -> None:
        raise PermanentError("no room")


def _child(shop: Service, world: World) -> None:
    @shop.on(ServiceDegraded, retry=ONCE)
    async def part(degraded: ServiceDegraded, recovery: Recovery) -> None:
        recovery.start(CacheLost(subject="cache"))

    @shop.on(CacheLost, retry=ONCE)
    async def fill(lost: CacheLost) -> CacheWarmed:
        await _linger(world, f"fill {lost.subject}")
        return CacheWarmed(subject=lost.subject)

    @shop.on(ChildClosed, retry=ONCE)
    async def hear(child: ChildClosed) -> None:
        world.do(f"hear of {child.subject}: {child.verdict}")

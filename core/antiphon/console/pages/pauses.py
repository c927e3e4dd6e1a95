"""Pauses: what holds what begins, and the switch that begins and ends them."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.inspection import Limits, inspect
from antiphon.broker.switch import Switch
from antiphon.console.visit import Deed, Visit, acting, reading
from antiphon.errors import AntiphonError
from antiphon.guards.scope import Scope

_MOST = 100
_MOST_HELD = 5000


async def listed(visit: Visit) -> Response:
    """Show what is paused, and what may be."""
    state = await inspect(visit.errand, Limits(guards=0, held=_MOST_HELD, pauses=_MOST))
    services = await Switch(visit.errand, visit.who.holder.name, "").services()
    return visit.page(
        "pauses.html",
        pauses=[(pause, state.held_in(pause.scope)) for pause in state.pauses],
        more=state.pauses_left_out,
        at_least=not state.held_whole,
        services=services,
    )


async def pause(deed: Deed) -> str:
    """Let nothing begin in a part of the cell."""
    scope = _scope(deed)
    why = deed.needed("reason", "why, for whoever wonders")
    done = await Switch(deed.errand, deed.by, why).pause(scope)
    if not done.new:
        return f"{done.pause.by} had paused {scope} already, and it stays so."
    return f"Paused {scope}: what runs already ends as it would, nothing else begins."


async def resume(deed: Deed) -> str:
    """End a pause."""
    scope = Scope(deed.needed("scope", "which pause it is"))
    ended = await Switch(deed.errand, deed.by, deed.field("reason")).resume(scope)
    freed = "1 delivery was" if ended.freed == 1 else f"{ended.freed} deliveries were"
    forgotten = f" Relapses count anew: {', '.join(ended.forgotten)}." if ended.forgotten else ""
    return f"Resumed {scope}; {freed} held.{forgotten}"


def _scope(deed: Deed) -> Scope:
    """What the form names: everything, a service or a subject."""
    match deed.field("what"):
        case "everything":
            return Scope.of()
        case "service":
            return Scope.of(service=deed.needed("service", "which service"))
        case "subject":
            return Scope.of(subject=deed.needed("subject", "which subject"))
        case _:
            raise AntiphonError("say what to pause: everything, a service or a subject")


ROUTES = [
    Route("/pauses", reading(listed)),
    Route("/pauses/pause", acting(pause, back="/pauses"), methods=["POST"]),
    Route("/pauses/resume", acting(resume, back="/pauses"), methods=["POST"]),
]

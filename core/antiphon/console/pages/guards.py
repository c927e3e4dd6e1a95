"""What guards hold and count."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.inspection import Limits, inspect
from antiphon.broker.switch import Switch
from antiphon.console.visit import Deed, Visit, acting, reading
from antiphon.guards.listing import guard_rows

_MOST = 200
_MOST_HELD = 5000


async def listed(visit: Visit) -> Response:
    """Show every guard that has something to show."""
    state = await inspect(visit.errand, Limits(guards=_MOST, held=_MOST_HELD, pauses=_MOST))
    rows = list(guard_rows(state))
    return visit.page(
        "guards.html",
        rows=rows[:_MOST],
        more=max(len(rows) - _MOST, 0) + state.guards_left_out,
        at_least=not state.held_whole,
    )


async def reset(deed: Deed) -> str:
    """Make a guard forget what it knows."""
    kind = deed.needed("kind", "which guard it is")
    name = deed.needed("name", "which guard it is")
    why = deed.needed("reason", "why, for whoever wonders")
    held = await Switch(deed.errand, deed.by, why).reset(kind, name)
    counted = "1 delivery was" if held == 1 else f"{held} deliveries were"
    return f"Reset {kind} {name}; {counted} held."


ROUTES = [
    Route("/guards", reading(listed)),
    Route("/guards/reset", acting(reset, back="/guards"), methods=["POST"]),
]

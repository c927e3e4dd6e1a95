"""The map: what running handlers do together, and which handlers are registered."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.faults import telling
from antiphon.broker.groups import all_registered
from antiphon.broker.running import read_running
from antiphon.console.visit import Visit, reading
from antiphon.drawing import STYLE, choreography
from antiphon.trace.words import plain


async def shown(visit: Visit) -> Response:
    """Show the choreography of the cell."""
    with telling("reading the groups"):
        groups = await all_registered(visit.errand.client, visit.errand.keys)
    running = await read_running(visit.errand)
    found = running.choreography
    return visit.page(
        "map.html",
        groups=sorted(groups, key=lambda group: group.name),
        drawn=choreography(found, styled=False) if found.parts else "",
        remarks=[plain(remark) for remark in running.remarks()],
    )


async def style(_: Request) -> Response:
    """The stylesheet of all drawings."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(STYLE, media_type="text/css", headers=headers)


ROUTES = [Route("/map", reading(shown)), Route("/drawing.css", style)]

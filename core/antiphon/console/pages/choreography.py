"""The map: which handlers there are, what they hear, and what they bring."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.faults import telling
from antiphon.broker.groups import all_registered
from antiphon.console.visit import Visit, reading
from antiphon.drawing import STYLE


async def shown(visit: Visit) -> Response:
    """Show the choreography of the cell."""
    with telling("reading the groups"):
        groups = await all_registered(visit.errand.client, visit.errand.keys)
    return visit.page("map.html", groups=sorted(groups, key=lambda group: group.name), drawn="")


async def style(_: Request) -> Response:
    """The stylesheet of all drawings."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(STYLE, media_type="text/css", headers=headers)


ROUTES = [Route("/map", reading(shown)), Route("/drawing.css", style)]

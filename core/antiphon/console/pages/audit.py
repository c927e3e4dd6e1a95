"""Who did what."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.auditing import latest
from antiphon.console.visit import Visit, reading

_PAGE = 100


async def listed(visit: Visit) -> Response:
    """Show what people did, the newest first."""
    before = visit.place("before")
    found = await latest(visit.errand, before=before, limit=_PAGE + 1)
    more = len(found) > _PAGE
    following = urlencode({"before": found[_PAGE - 1].id}) if more else ""
    return visit.page(
        "audit.html",
        rows=found[:_PAGE],
        first="/audit" if before else "",
        following=f"/audit?{following}" if more else "",
    )


ROUTES = [Route("/audit", reading(listed))]

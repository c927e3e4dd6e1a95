"""Recoveries that need a person, and that nobody has acknowledged."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.escalations import Escalations
from antiphon.broker.faults import telling
from antiphon.broker.inspection import read_escalations
from antiphon.console.visit import Deed, Visit, acting, reading
from antiphon.instants import iso


async def listed(visit: Visit) -> Response:
    """Show them, those whose next tier is told first leading."""
    with telling("reading the escalations"):
        found, count = await read_escalations(visit.errand)
    return visit.page("escalations.html", escalations=found, more=max(count - len(found), 0))


async def acknowledge(deed: Deed) -> str:
    """Say that somebody knows."""
    known = await Escalations(deed.errand).acknowledge(
        deed.needed("recovery", "which recovery it is"), by=deed.by, reason=deed.field("reason")
    )
    if known.repeated:
        return f"{known.by} had acknowledged it already, at {iso(known.at)}."
    return f"Acknowledged by {known.by}: nobody further up is told."


ROUTES = [
    Route("/escalations", reading(listed)),
    Route("/escalations/ack", acting(acknowledge, back="/escalations"), methods=["POST"]),
]

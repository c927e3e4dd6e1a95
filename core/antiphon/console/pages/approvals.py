"""Steps that wait for people to agree to them."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.approvals import Approvals
from antiphon.console.visit import Deed, Visit, acting, reading
from antiphon.errors import AntiphonError

_MOST = 100


async def listed(visit: Visit) -> Response:
    """Show what waits for an answer."""
    asks = await Approvals(visit.errand).waiting(_MOST)
    return visit.page("approvals.html", asks=asks, more=max(visit.overview.approvals - _MOST, 0))


async def answer(deed: Deed) -> str:
    """Agree to a step, or refuse it."""
    decision = deed.field("decision")
    if decision not in {"approve", "deny"}:
        raise AntiphonError(f"{decision!r} is no answer: approve or deny")
    answered = await Approvals(deed.errand).answer(
        deed.needed("approval", "which approval it is"),
        by=deed.by,
        grant=decision == "approve",
        reason=deed.needed("reason", "why, for whoever wonders"),
    )
    return answered.said(deed.by)


ROUTES = [
    Route("/approvals", reading(listed)),
    Route("/approvals/answer", acting(answer, back="/approvals"), methods=["POST"]),
]

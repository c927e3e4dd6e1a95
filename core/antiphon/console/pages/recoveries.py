"""The list of recoveries."""

from __future__ import annotations

from datetime import timedelta
from typing import cast, get_args
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.browsing import Wait, Wanted, browse
from antiphon.broker.faults import telling
from antiphon.broker.groups import all_registered
from antiphon.console.visit import Visit, reading
from antiphon.duration import duration
from antiphon.errors import AntiphonError
from antiphon.records import Status
from antiphon.trace.pending import brief

_SIZES = (50, 200, 1000)
_LONGEST = timedelta(days=36525)
_FILTERS = ("status", "subject", "service", "since", "until")


async def listed(visit: Visit) -> Response:
    """Show the recoveries that match, a page of them."""
    given = {name: visit.asked(name) for name in _FILTERS}
    problems: list[str] = []
    wanted = Wanted(
        status=_status(given["status"], problems),
        subject=given["subject"] or None,
        service=given["service"] or None,
        since=_length("since", given["since"], problems),
        until=_length("until", given["until"], problems),
    )
    size = next((n for n in _SIZES if str(n) == visit.asked("limit")), _SIZES[0])
    page = None
    if not problems:
        try:
            page = await browse(visit.errand, wanted, limit=size, after=visit.asked("after"))
        except AntiphonError as error:
            if not visit.asked("after"):
                raise
            problems.append(str(error))
    filters = {name: value for name, value in given.items() if value}
    if size != _SIZES[0]:
        filters["limit"] = str(size)
    return visit.page(
        "recoveries.html",
        status=400 if problems else 200,
        found=page.found if page else (),
        given=given,
        problems=problems,
        statuses=get_args(Status),
        services=await _services(visit),
        sizes=_SIZES,
        size=size,
        first=f"/recoveries?{urlencode(filters)}" if visit.asked("after") else "",
        following=(
            f"/recoveries?{urlencode({**filters, 'after': page.after})}"
            if page and page.after
            else ""
        ),
        waits_for=waits_for,
    )


def waits_for(wait: Wait) -> str:
    """Say in a few words what an open recovery waits for."""
    words = brief(wait.name)
    match wait.guard:
        case "":
            return f"waits for {words}"
        case "approval":
            return f"waits for approval: {words}"
        case "pause" | "storm":
            return f"paused: {words}"
        case guard:
            return f"held by {guard}: {words}"


async def _services(visit: Visit) -> list[str]:
    """The services that are known, to choose from."""
    with telling("reading the groups"):
        groups = await all_registered(visit.errand.client, visit.errand.keys)
    return sorted({group.service for group in groups})


def _status(given: str, problems: list[str]) -> Status | None:
    if not given or given in get_args(Status):
        return cast("Status", given) or None
    problems.append(f"{given!r} is no status; there is: {', '.join(get_args(Status))}.")
    return None


def _length(name: str, given: str, problems: list[str]) -> timedelta | None:
    try:
        length = duration(given) if given else None
    except ValueError as error:
        problems.append(f"{name}: {error}.")
        return None
    if length is not None and length > _LONGEST:
        problems.append(f"{name}: {given!r} is longer than a hundred years.")
        return None
    return length


ROUTES = [Route("/recoveries", reading(listed))]

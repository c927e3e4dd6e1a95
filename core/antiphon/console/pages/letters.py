"""Dead letters: looked at, delivered again, thrown away."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from antiphon.broker.deadletters import DeadLetters
from antiphon.console.entries import is_entry_id
from antiphon.console.visit import Deed, Visit, acting, reading
from antiphon.deadletter import Choice, DeadLetter
from antiphon.errors import AntiphonError

_PAGE = 50


async def listed(visit: Visit) -> Response:
    """Show dead letters, the newest first."""
    given = {name: visit.asked(name) for name in ("group", "subject", "recovery")}
    choice = Choice(
        group=given["group"] or None,
        subject=given["subject"] or None,
        correlation_id=given["recovery"] or None,
    )
    before = visit.place("before")
    page = await DeadLetters(visit.errand).page(choice, before, _PAGE)
    filters = {name: value for name, value in given.items() if value}
    following = urlencode({**filters, "before": page.before}) if page.before else ""
    return visit.page(
        "letters.html",
        letters=page.found,
        given=given,
        first=f"/letters?{urlencode(filters)}" if before else "",
        following=f"/letters?{following}" if following else "",
    )


async def shown(visit: Visit) -> Response:
    """Show one dead letter as it was."""
    letter_id = visit.asked("id")
    letters = DeadLetters(visit.errand)
    letter = await letters.find(letter_id) if is_entry_id(letter_id) else None
    if letter is None:
        raise HTTPException(
            404, f"There is no dead letter {letter_id!r}: it was delivered again or thrown away."
        )
    return visit.page("letter.html", letter=letter)


async def replay(deed: Deed) -> str:
    """Deliver a dead letter again."""
    letters = DeadLetters(deed.errand)
    letter = await _found(letters, deed)
    await letters.replay(letter, by=deed.by, reason=deed.field("reason"))
    return f"{letter.id} is on its way to {letter.group}."


async def drop(deed: Deed) -> str:
    """Throw a dead letter away for good."""
    letters = DeadLetters(deed.errand)
    letter = await _found(letters, deed)
    why = deed.needed("reason", "why, for whoever wonders")
    if not await letters.drop([letter], by=deed.by, reason=why):
        raise AntiphonError(f"{letter.id} is not there any more")
    return f"{letter.id} was thrown away."


async def _found(letters: DeadLetters, deed: Deed) -> DeadLetter:
    letter_id = deed.needed("letter", "which dead letter it is")
    letter = await letters.find(letter_id) if is_entry_id(letter_id) else None
    if letter is None:
        raise AntiphonError(
            f"there is no dead letter {letter_id!r}: it was delivered again or thrown away"
        )
    return letter


ROUTES = [
    Route("/letters", reading(listed)),
    Route("/letter", reading(shown)),
    Route("/letters/replay", acting(replay, back="/letters"), methods=["POST"]),
    Route("/letters/drop", acting(drop, back="/letters"), methods=["POST"]),
]

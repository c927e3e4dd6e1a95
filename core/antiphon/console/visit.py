"""A visit: one request of somebody who is signed in.

`reading` and `acting` are all that stands between a request and what it asks for: who it is,
whether one of our pages sent it, and whether they may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from antiphon.broker.errand import Errand
from antiphon.broker.overview import Overview, overview
from antiphon.console.desk import Desk
from antiphon.console.entries import is_entry_id
from antiphon.console.forms import form_of, is_same_origin, local_path
from antiphon.console.rendering import render
from antiphon.console.sessions import SignedIn, Told
from antiphon.errors import AntiphonError, ConfigurationError, TransientError
from antiphon.telemetry.logging import get_logger

_COOKIE = "antiphon_session"
LIVE_HEADER = "x-antiphon-live"
"""Sent by the script of a page that looks for news."""

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who is signed in, and what they look at."""

    request: Request
    desk: Desk
    who: SignedIn
    errand: Errand
    overview: Overview

    def page(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """Answer with a page."""
        live = LIVE_HEADER in self.request.headers
        told = list(self.who.session.told)
        if not live and self.request.method == "GET":
            self.who.session.told.clear()
        known = {
            "visit": self,
            "now": self.overview.taken,
            "told": told,
            "here": local_path(str(self.request.url.replace(scheme="", netloc="")), "/"),
            "cell": self.desk.settings.cell,
        }
        return HTMLResponse(render(template, known | context), status)

    def asked(self, name: str) -> str:
        """A value in the address, without blanks around it; empty when it is not there."""
        return self.request.query_params.get(name, "").strip()

    def place(self, name: str) -> str:
        """The id of an entry in the address, from which a list goes on; empty when not there.

        Raises:
            HTTPException: it is none.
        """
        given = self.asked(name)
        if given and (given == "0-0" or not is_entry_id(given)):
            raise HTTPException(400, f"{given[:100]!r} is no place in this list: begin it anew.")
        return given


@dataclass(frozen=True, slots=True)
class Deed:
    """Somebody who may act, and the form they filled in."""

    errand: Errand
    by: str
    fields: Fields

    def field(self, name: str) -> str:
        """The value of a field, without blanks around it; empty when it is not there."""
        return self.fields.get(name, "").strip()

    def needed(self, name: str, what: str) -> str:
        """The value of a field that must be filled in.

        Raises:
            AntiphonError: it is not.
        """
        if not (value := self.field(name)):
            raise AntiphonError(f"say {what}: nothing was done")
        return value


def desk_of(request: Request) -> Desk:
    """The desk of the console that was asked."""
    desk: Desk = request.app.state.desk
    return desk


def cookie_name(request: Request) -> str:
    """What the cookie is called: browsers send those of one port of a host to all its ports."""
    _, port = request.scope.get("server") or ("", None)
    return f"{_COOKIE}_{port}" if port else _COOKIE


def signed_in(request: Request) -> SignedIn | None:
    """Who sent a request; None when nobody who is signed in."""
    cookie = request.cookies.get(cookie_name(request), "")
    return desk_of(request).sessions.find(cookie) if cookie else None


def reading(
    look: Callable[[Visit], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Let those who are signed in look at a page; others are asked to sign in."""

    async def endpoint(request: Request) -> Response:
        who = signed_in(request)
        if who is None:
            return _to_sign_in(request)
        desk = desk_of(request)
        async with desk.errands.errand() as errand:
            return await look(Visit(request, desk, who, errand, await overview(errand)))

    return endpoint


def acting(
    act: Callable[[Deed], Awaitable[str]], *, back: str
) -> Callable[[Request], Awaitable[Response]]:
    """Let operators act; what came of it is told on the page they came from.

    Args:
        act: Does it and says what came of it. An `AntiphonError` it raises is a refusal, and is
            told in its words.
        back: Where they go afterwards, unless the form says.
    """

    async def endpoint(request: Request) -> Response:
        who = signed_in(request)
        if who is None:
            raise HTTPException(401, "You are not signed in, or not any more. Nothing was done.")
        fields = await form_of(request)
        if not is_same_origin(request) or not who.sent_by_us(fields.get("csrf", "")):
            get_logger().warning(
                "console.refused", by=who.holder.name, path=request.url.path, reason="forged"
            )
            raise HTTPException(403, "This did not come from a page of this console.")
        if not who.may_act:
            get_logger().warning(
                "console.refused", by=who.holder.name, path=request.url.path, reason="viewer"
            )
            raise HTTPException(
                403, f"{who.holder.name} is a viewer here, and a viewer cannot act."
            )
        async with desk_of(request).errands.errand() as errand:
            told = await _done(act, Deed(errand, who.holder.name, fields))
        who.session.told.append(told)
        return RedirectResponse(local_path(fields.get("next", ""), back), 303)

    return endpoint


async def _done(act: Callable[[Deed], Awaitable[str]], deed: Deed) -> Told:
    try:
        return Told(kind="done", words=await act(deed))
    except (ConfigurationError, TransientError):
        raise
    except AntiphonError as refusal:
        return Told(kind="refused", words=_sentence(str(refusal)))


def _sentence(words: str) -> str:
    text = " ".join(words.split())
    return text if text.endswith(".") else f"{text}."


def _to_sign_in(request: Request) -> Response:
    if LIVE_HEADER in request.headers:
        raise HTTPException(401, "You are not signed in any more.")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(here, safe='')}", 303)

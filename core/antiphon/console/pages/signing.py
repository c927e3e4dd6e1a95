"""Signing in with a token, and out."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from antiphon.console.forms import form_of, is_same_origin, local_path
from antiphon.console.rendering import render
from antiphon.console.tokens import Holder, digest, holder_of
from antiphon.console.visit import cookie_name, desk_of, signed_in
from antiphon.telemetry.logging import get_logger

_HOME = "/recoveries"


async def login(request: Request) -> Response:
    """Ask for a token, or for a click when the address holds a code that has not been used."""
    if request.method == "POST":
        return await _sign_in(request)
    if signed_in(request) is not None:
        return RedirectResponse(_HOME, 303)
    code = request.query_params.get("code", "")
    invited = desk_of(request).invitations.get(digest(code)) if code else None
    return _form(request, invited=invited, code=code)


async def logout(request: Request) -> Response:
    """Sign out."""
    who = signed_in(request)
    fields = await form_of(request)
    response = RedirectResponse("/login", 303)
    if who is not None and is_same_origin(request) and who.sent_by_us(fields.get("csrf", "")):
        desk_of(request).sessions.end(who.session)
        get_logger().info("console.signed_out", by=who.holder.name)
        response.delete_cookie(cookie_name(request))
    return response


async def _sign_in(request: Request) -> Response:
    desk, address = desk_of(request), request.client.host if request.client else "?"
    fields = await form_of(request)
    if not is_same_origin(request):
        return _form(request, words="This did not come from a page of this console.", status=403)
    token, code = fields.get("token", "").strip(), fields.get("code", "")
    holder = desk.invitations.pop(digest(code), None) if code else holder_of(token, desk.tokens)
    if holder is None:
        # Only who is wrong waits: many people may come from one address, as from behind a proxy.
        if wait_s := desk.throttle.wait_s(address):
            words = f"Too many wrong tokens came from here: try again in {math.ceil(wait_s)} s."
            response = _form(request, words=words, status=429)
            response.headers["Retry-After"] = str(math.ceil(wait_s))
            return response
        desk.throttle.failed(address)
        get_logger().warning("console.sign_in_refused", address=address)
        words = "This link has been used, or is none." if code else "This token is not known here."
        return _form(request, words=words, status=401)
    if (before := signed_in(request)) is not None:
        desk.sessions.end(before.session)
    get_logger().info("console.signed_in", by=holder.name, role=holder.role, address=address)
    response = RedirectResponse(local_path(fields.get("next", ""), _HOME), 303)
    response.set_cookie(
        cookie_name(request),
        desk.sessions.open(holder),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def _form(
    request: Request,
    *,
    words: str = "",
    status: int = 200,
    invited: Holder | None = None,
    code: str = "",
) -> Response:
    context = {
        "words": words,
        "invited": invited,
        "code": code if invited else "",
        "next": local_path(request.query_params.get("next", ""), _HOME),
    }
    return HTMLResponse(render("login.html", context), status)


ROUTES = [
    Route("/login", login, methods=["GET", "POST"]),
    Route("/logout", logout, methods=["POST"]),
]

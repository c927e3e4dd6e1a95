"""The application: which address shows which page, and what happens when something goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from antiphon.broker.errands import Errands
from antiphon.console.desk import Desk
from antiphon.console.headers import SECURITY_HEADERS, SecurityHeaders
from antiphon.console.pages import (
    approvals,
    audit,
    choreography,
    escalations,
    guards,
    letters,
    pauses,
    recoveries,
    recovery,
    signing,
)
from antiphon.console.rendering import STATIC, render
from antiphon.console.sessions import LIFETIME, Sessions
from antiphon.console.tokens import Holder, Tokens
from antiphon.console.visit import signed_in
from antiphon.errors import AntiphonError
from antiphon.outcome import describe
from antiphon.settings import Settings
from antiphon.telemetry.logging import get_logger

_RETRY_AFTER_S = "3"


def application(
    settings: Settings,
    tokens: Tokens,
    *,
    logs: tuple[Path, ...] = (),
    invitations: dict[str, Holder] | None = None,
    lifetime: timedelta = LIFETIME,
) -> Starlette:
    """Make the console of one cell, as an ASGI application.

    Args:
        settings: Where the cell is.
        tokens: Who may use it.
        logs: Log files in which lines of a recovery are looked for.
        invitations: Who may sign in once without a token, by the SHA-256 of their code.
        lifetime: How long somebody stays signed in.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with Errands.open(settings) as errands:
            app.state.desk = Desk(
                settings=settings,
                errands=errands,
                tokens=tokens,
                sessions=Sessions(tokens, lifetime=lifetime),
                logs=logs,
                invitations=invitations or {},
            )
            yield

    return Starlette(
        routes=[
            Route("/", lambda _: RedirectResponse("/recoveries", 303)),
            *recoveries.ROUTES,
            *recovery.ROUTES,
            *approvals.ROUTES,
            *letters.ROUTES,
            *guards.ROUTES,
            *pauses.ROUTES,
            *escalations.ROUTES,
            *choreography.ROUTES,
            *audit.ROUTES,
            *signing.ROUTES,
            Mount("/static", _Static(directory=STATIC)),
        ],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={
            HTTPException: _refused,
            AntiphonError: _unavailable,
            Exception: _failed,
        },
        lifespan=lifespan,
    )


class _Static(StaticFiles):
    """Files that come with the console; their addresses change with their content."""

    def file_response(self, *arguments: object, **options: object) -> Response:
        given: Callable[..., Response] = super().file_response
        response = given(*arguments, **options)
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  Starlette calls it for no other
    words = {404: "There is no such page.", 405: "This page cannot be asked that."}
    detail = words.get(error.status_code) if error.detail in _PHRASES else None
    return _plain(request, error.status_code, detail or error.detail, dict(error.headers or {}))


_PHRASES = {"Not Found", "Method Not Allowed"}


async def _unavailable(request: Request, error: Exception) -> Response:
    """Redis cannot be reached, or refuses us: say so, and look again by itself."""
    get_logger().warning("console.unavailable", path=request.url.path, error=str(error))
    headers = {"Retry-After": _RETRY_AFTER_S}
    return _plain(request, 503, str(error), headers, waits=request.method == "GET")


async def _failed(request: Request, error: Exception) -> Response:
    """Say that it is our fault; Starlette raises the error again, so the server logs the rest."""
    get_logger().error("console.failed", path=request.url.path, error=describe(error))
    # This answer does not pass through what adds the headers to all others.
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-store"}
    return _plain(request, 500, "The console failed; its log says more.", headers)


def _plain(
    request: Request, status: int, words: str, headers: dict[str, str], *, waits: bool = False
) -> Response:
    context = {"status": status, "words": words, "waits": waits, "known": signed_in(request)}
    return HTMLResponse(render("error.html", context), status, headers)

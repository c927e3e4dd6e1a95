"""web: the front page. It closes itself when the shop fails, and stays closed until reopened."""

from __future__ import annotations

import threading
import time
from http import HTTPStatus
from typing import Any

from antiphon_handlers.demo.directory import ShopDirectory
from antiphon_handlers.demo.shop.http_server import Answer, Request, refusal
from antiphon_handlers.demo.shop.upstream import UpstreamFailed, call

LOOK_EVERY_SECONDS = 0.1
BAD_LOOKS = 2
"""In a row, before the shop is closed: one may be a hiccup, and nobody reopens after a hiccup."""


class Web:
    """The web process; it finds the api anew for every request.

    Raises:
        NotRunning: there is no api yet.
    """

    def __init__(self, shop: ShopDirectory) -> None:
        self._shop = shop
        shop.url("orders-api")
        self._lock = threading.Lock()
        self._closed_since: float | None = None
        self._reason = ""
        self._token = 0

    def watch(self) -> None:
        """Close when the api does not work; runs for the life of the process."""
        bad = 0
        while True:
            # Once closed, looking is over: a look begun before the reopening must not undo it.
            is_open = self._closed_since is None
            problem = _problem(f"{self._shop.url('orders-api')}/health") if is_open else ""
            bad = bad + 1 if problem else 0
            if bad >= BAD_LOOKS:
                self._close(problem)
            time.sleep(LOOK_EVERY_SECONDS)

    def answer(self, request: Request) -> Answer:
        """Answer one request; a closed shop takes no orders."""
        match request.method, request.path:
            case "GET", ():
                return Answer(HTTPStatus.OK, self._front_page())
            case "GET", ("health",) | ("maintenance",):
                return Answer(HTTPStatus.OK, self._state())
            case "PUT", ("maintenance",):
                return self._reopen(request.body["api"], request.body["token"])
            case "POST", ("order",):
                return self._order(request.body)
        return refusal(HTTPStatus.NOT_FOUND, "no such page")

    def _front_page(self) -> str:
        is_open = self._closed_since is None
        return f"<h1>{'Open' if is_open else 'Closed: we are putting things right'}</h1>"

    def _order(self, order: Any) -> Answer:
        if self._closed_since is not None:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"closed: {self._reason}")
        try:
            placed = call("POST", f"{self._shop.url('orders-api')}/orders", order)
        except UpstreamFailed as error:
            if error.status == HTTPStatus.BAD_REQUEST:
                return refusal(HTTPStatus.BAD_REQUEST, str(error))
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return Answer(HTTPStatus.CREATED, placed)

    def _reopen(self, api_health: str, token: int) -> Answer:
        with self._lock:
            if token < self._token:
                return refusal(HTTPStatus.CONFLICT, f"token {self._token} was here before {token}")
            self._token = token
        if problem := _problem(api_health):
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"stays closed: {problem}")
        with self._lock:
            closed, self._closed_since = self._closed_since, None
        closed_ms = 0 if closed is None else round((time.monotonic() - closed) * 1000)
        return Answer(HTTPStatus.OK, {**self._state(), "closed_ms": closed_ms})

    def _close(self, reason: str) -> None:
        with self._lock:
            self._reason = reason
            if self._closed_since is None:
                self._closed_since = time.monotonic()

    def _state(self) -> dict[str, Any]:
        is_open = self._closed_since is None
        return {"open": is_open, "reason": "" if is_open else self._reason}


def _problem(url: str) -> str:
    """Ask a process whether it works: empty when it does."""
    try:
        call("GET", url)
    except UpstreamFailed as error:
        return str(error)
    return ""

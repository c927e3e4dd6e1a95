"""orders-api: reads through the cache, writes to the database, in one session opened at start.

Its database address and session are fixed for its life, as with many a connection pool: when the
database comes back as another process, only a restart brings the api back too.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from antiphon_handlers.demo.shop.http_server import Answer, Request, refusal
from antiphon_handlers.demo.shop.upstream import UpstreamFailed, call


class OrdersApi:
    """The api process.

    Raises:
        UpstreamFailed: the database is not there; the process is to end, and be started later.
    """

    def __init__(self, *, database: str, cache: str) -> None:
        self._database = database
        self._cache = cache
        self._session: str = call("POST", f"{database}/sessions")["session"]

    def answer(self, request: Request) -> Answer:
        """Answer one request; a lost session or database is a 503, for good."""
        try:
            return self._route(request)
        except UpstreamFailed as error:
            if error.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}:
                return refusal(HTTPStatus(error.status), str(error))
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    def _route(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", ("health",):
                call("GET", f"{self._database}/session", session=self._session)
                return Answer(HTTPStatus.OK, call("GET", f"{self._database}/health"))
            case "GET", ("orders", order):
                return self._read(order)
            case "POST", ("orders",):
                placed = call(
                    "POST", f"{self._database}/orders", request.body, session=self._session
                )
                self._remember(str(placed["id"]), placed)
                return Answer(HTTPStatus.CREATED, placed)
        return refusal(HTTPStatus.NOT_FOUND, "no such page")

    def _read(self, order: str) -> Answer:
        try:
            cached = call("GET", self._entry(order))
            return Answer(HTTPStatus.OK, {"order": cached, "from": "cache"})
        except UpstreamFailed as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        found = call("GET", f"{self._database}/orders/{quote(order)}", session=self._session)
        self._remember(order, found)
        return Answer(HTTPStatus.OK, {"order": found, "from": "database"})

    def _remember(self, order: str, value: object) -> None:
        call("PUT", self._entry(order), value)

    def _entry(self, order: str) -> str:
        return f"{self._cache}/entries/{quote(order, safe='')}"

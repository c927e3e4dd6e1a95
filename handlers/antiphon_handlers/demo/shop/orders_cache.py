"""orders-cache: entries in memory, one generation of them served and the next one filled beside."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import Any

from antiphon_handlers.demo.shop.http_server import Answer, Request, refusal


class OrdersCache:
    """The cache process: it starts cold, in a generation without a name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generations: dict[str, dict[str, Any]] = {"": {}}
        self._serving = ""
        self._token = 0

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        with self._lock:
            return self._route(request)

    def _route(self, request: Request) -> Answer:
        serving = self._generations[self._serving]
        match request.method, request.path:
            case "GET", ("health",) | ("generation",):
                return self._generation()
            case "PUT", ("generation",):
                return self._serve(request.body["generation"], request.body["token"])
            case "PUT", ("entries", key):
                name = request.query.get("generation", self._serving)
                self._generations.setdefault(name, {})[key] = request.body
                return Answer(HTTPStatus.OK, {"key": key})
            case "GET", ("entries", key) if key in serving:
                return Answer(HTTPStatus.OK, serving[key])
        return refusal(HTTPStatus.NOT_FOUND, "no such entry")

    def _serve(self, name: str, token: int) -> Answer:
        if token < self._token:
            return refusal(HTTPStatus.CONFLICT, f"token {self._token} was here before {token}")
        self._token, self._serving = token, name
        self._generations = {name: self._generations.get(name, {})}
        return self._generation()

    def _generation(self) -> Answer:
        entries = len(self._generations[self._serving])
        return Answer(HTTPStatus.OK, {"generation": self._serving, "entries": entries})

"""A console in this process, and its visitors, who use it as browsers do but without one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx
from starlette.applications import Starlette

from antiphon import Settings
from antiphon.console.app import application
from antiphon.console.desk import Desk
from antiphon.console.tokens import FixedTokens, Holder, new_token

BASE = "http://console.test"
ORIGIN = {"Origin": BASE}
PEOPLE = (("ana", "operator"), ("ben", "operator"), ("cleo", "viewer"))

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_MAIN = re.compile(r"<main.*</main>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


@dataclass
class Visitor:
    """Somebody with a browser."""

    client: httpx.AsyncClient

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)

    async def page(self, path: str) -> str:
        """The page at an address, which must be there."""
        response = await self.get(path)
        assert response.status_code == 200, response.text
        return response.text

    async def words(self, path: str) -> str:
        """What the page says, without its marks."""
        return words(await self.page(path))

    async def csrf(self) -> str:
        found = _CSRF.search(await self.page("/audit"))
        assert found
        return found[1]

    async def post(
        self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a form as it is."""
        return await self.client.post(path, data=dict(fields), headers=headers or ORIGIN)

    async def acts(self, path: str, **fields: str) -> str:
        """Send a form as a page of the console would, and read what came of it."""
        response = await self.post(path, {"csrf": await self.csrf(), **fields})
        assert response.status_code == 303, response.text
        return await self.words(response.headers["location"])


@dataclass
class House:
    """One console."""

    app: Starlette
    tokens: Mapping[str, str]
    """By name."""

    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, **options: Any) -> AsyncIterator[House]:
        made = {name: new_token() for name, _ in PEOPLE}
        holders = FixedTokens(tuple(Holder.of(name, role, made[name]) for name, role in PEOPLE))
        app = application(settings, options.pop("tokens", holders), **options)
        async with app.router.lifespan_context(app):
            house = cls(app, made)
            try:
                yield house
            finally:
                for client in house._clients:
                    await client.aclose()

    @property
    def desk(self) -> Desk:
        desk: Desk = self.app.state.desk
        return desk

    def stranger(self) -> Visitor:
        """Somebody who is not signed in."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url=BASE)
        self._clients.append(client)
        return Visitor(client)

    async def visitor(self, name: str) -> Visitor:
        """Somebody who is."""
        visitor = self.stranger()
        response = await visitor.post("/login", {"token": self.tokens[name]})
        assert response.status_code == 303, response.text
        return visitor


def words(page: str) -> str:
    """What the main part of a page says."""
    found = _MAIN.search(page)
    assert found, page
    return " ".join(unescape(_TAG.sub(" ", found[0])).split())

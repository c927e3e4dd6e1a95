"""A connection to the server that loses replies: the command is done, and nobody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import quote, unquote, urlsplit

_CHUNK_BYTES = 65_536


class LossyProxy:
    """Passes everything on, until it is told to lose a reply; then it hangs up as well."""

    def __init__(self, upstream_url: str) -> None:
        parts = urlsplit(upstream_url)
        self._socket = unquote(parts.path)
        self._password = unquote(parts.password or "")
        self._port = 0
        self._doomed: bytes | None = None
        self._links: set[asyncio.Task[None]] = set()
        self.lost = 0
        """How many replies it has lost."""

    @classmethod
    @asynccontextmanager
    async def before(cls, upstream_url: str) -> AsyncIterator[Self]:
        """Stand before the server behind a ``unix://`` URL."""
        proxy = cls(upstream_url)
        server = await asyncio.start_server(proxy._link, "127.0.0.1", 0)
        proxy._port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            for link in proxy._links:
                link.cancel()
            await asyncio.gather(*proxy._links, return_exceptions=True)
            await server.wait_closed()

    @property
    def url(self) -> str:
        return f"redis://:{quote(self._password, safe='')}@127.0.0.1:{self._port}/0"

    def lose_reply(self, request: str) -> None:
        """Lose the reply to the next request that contains this text."""
        self._doomed = request.encode()

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        try:
            await self._serve(reader, writer)
        except ConnectionError:
            pass  # either end hung up
        finally:
            self._links.discard(link)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket)
        losing = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as both:
                requests = both.create_task(self._pass_requests(reader, server_writer, losing))
                await self._pass_replies(server_reader, writer, losing)
                requests.cancel()
        finally:
            server_writer.close()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._doomed is not None and self._doomed in chunk:
                self._doomed = None
                losing.set()
            writer.write(chunk)
        writer.write_eof()

    async def _pass_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if losing.is_set():
                self.lost += 1
                return
            writer.write(chunk)

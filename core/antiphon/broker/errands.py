"""Many errands at once: what a program needs that serves several people side by side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from antiphon.broker.errand import Errand
from antiphon.broker.wire import Wire
from antiphon.errors import StreamUnavailable
from antiphon.settings import Settings

_IDLE_WIRES = 8
"""Connections that are kept for the next errand; more are opened while more is going on."""


@dataclass(frozen=True, slots=True)
class Errands:
    """Errands over one client: each has a connection of its own for its round trips."""

    _first: Errand
    _idle: list[Wire] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Errands]:
        """Open what errands share, and close it afterwards; the server need not be there yet.

        Raises:
            ConfigurationError: the server must not be used.
            ServerNotFound: there is none to use.
        """
        async with Errand.begin(settings) as first:
            errands = cls(first)
            try:
                yield errands
            finally:
                while errands._idle:
                    await errands._idle.pop().aclose()

    @asynccontextmanager
    async def errand(self) -> AsyncIterator[Errand]:
        """Begin one errand; any number may be under way."""
        wire = self._idle.pop() if self._idle else Wire(self._first.client)
        try:
            yield replace(self._first, wire=wire)
        except StreamUnavailable:
            # The server has gone, and with it what is at the other end of those that wait.
            while self._idle:
                await self._idle.pop().aclose()
            raise
        finally:
            if len(self._idle) < _IDLE_WIRES:
                self._idle.append(wire)
            else:
                await wire.aclose()

"""A cell for one test: services run in it for real, and nothing of it is left over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

from antiphon.broker.clearing import clear
from antiphon.broker.errand import Errand
from antiphon.broker.inspection import inspect
from antiphon.broker.reading import RedisReading
from antiphon.duration import duration, format_duration
from antiphon.errors import ConfigurationError
from antiphon.guards.state import Escalation
from antiphon.handler import Handler
from antiphon.publisher import Publisher, Receipt
from antiphon.records import Records
from antiphon.service import Service
from antiphon.settings import Settings
from antiphon.testing.expectation import Expectation, Unmet, expect
from antiphon.testing.hurry import hurried
from antiphon.testing.server import temporary_server
from antiphon.testing.twin import Twin
from antiphon.trace import Trace
from antiphon_events import Event

_DRAIN = timedelta(seconds=2)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.05


@dataclass(frozen=True, slots=True)
class Cell:
    """A namespace of its own on a real server, from `open` to the end of the test."""

    settings: Settings
    """What services in it run with."""

    hurry: bool
    """Whether retries follow at once."""

    _errand: Errand = field(repr=False)
    _publisher: Publisher = field(repr=False)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, redis_url: str | None = None, *, hurry: bool = False, **settings: Any
    ) -> AsyncIterator[Self]:
        """Make a cell that nobody else has, and take everything in it away afterwards.

        Args:
            redis_url: the server; one of its own, in memory, unless given.
            hurry: cut the delays between attempts to 20 ms; all else takes its time.
            **settings: settings by name, such as ``storm="off"``. What is not given comes from
                the environment, as it does for a worker.

        Raises:
            ConfigurationError: a setting is wrong, or names the cell.
            ServerNotFound: there is no server program on this machine.
        """
        if "cell" in settings:
            raise ConfigurationError(
                f"cell={settings['cell']!r}: a test's cell is taken away afterwards, so it gets a "
                "name that nobody else has"
            )
        async with AsyncExitStack() as stack:
            url = redis_url or stack.enter_context(temporary_server())
            chosen = Settings(
                **{"drain": _DRAIN, **settings}, redis_url=url, cell=f"test-{uuid4().hex[:12]}"
            )
            errand = await stack.enter_async_context(Errand.begin(chosen))
            if redis_url is not None:
                stack.push_async_callback(clear, errand)
            publisher = await stack.enter_async_context(Publisher(chosen, source="test"))
            yield cls(chosen, hurry, errand, publisher)

    @asynccontextmanager
    async def running(self, *services: Service) -> AsyncIterator[None]:
        """Run services in this cell and event loop, whatever settings they were made with.

        It runs twins of them, with the same handlers, and leaves the services themselves
        untouched. A service that is named twice has two replicas.
        """
        change = hurried if self.hurry else _as_it_is
        async with AsyncExitStack() as stack:
            for service in services:
                twin = Twin(service, settings=self.settings, change=change)
                stack.push_async_callback(twin.stop)
                await twin.start()
            yield

    async def publish(
        self,
        event: Event,
        *,
        correlation_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Publish an event in this cell; see `Publisher.publish`."""
        return await self._publisher.publish(
            event, correlation_id=correlation_id, idempotency_key=idempotency_key
        )

    async def settled(self, recovery: Receipt | str, *, within: str | timedelta = "10s") -> Trace:
        """Wait until nothing is outstanding in a recovery, and return its trace.

        Args:
            recovery: its correlation id, or the receipt of an event in it.
            within: how long that may take.

        Raises:
            Unmet: it is open after that time; says what it waits for, and draws the trace.
            LookupError: it is not even on record by then.
        """
        __tracebackhide__ = True
        return await self.until(recovery, Expectation.closed, within=within)

    async def until(
        self,
        recovery: Receipt | str,
        check: Callable[[Expectation], object],
        *,
        within: str | timedelta = "10s",
    ) -> Trace:
        """Wait until a recovery is as expected, though it may stay open, and return its trace.

        Example: ``await cell.until(receipt, lambda it: it.held_by("rate"))``.

        Args:
            recovery: its correlation id, or the receipt of an event in it.
            check: looks at the trace, and raises `AssertionError` while it is not as it should be.
            within: how long that may take.

        Raises:
            AssertionError: what `check` raised last; `Unmet`, as a rule.
            LookupError: the recovery is not even on record by then.
        """
        __tracebackhide__ = True
        limit, pause = duration(within), _FIRST_PAUSE_S
        deadline = time.monotonic() + limit.total_seconds()
        while True:
            late = time.monotonic() >= deadline
            try:
                trace = await self.trace(recovery)
                check(expect(trace))
            except Unmet as unmet:
                if late:
                    what = f"not within {format_duration(limit)}: {unmet.what}"
                    raise Unmet(what, unmet.trace) from None
            except (AssertionError, LookupError):
                if late:
                    raise
            else:
                return trace
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def trace(self, recovery: Receipt | str) -> Trace:
        """Return the trace of a recovery as it is now.

        Args:
            recovery: its correlation id, or the receipt of an event in it.

        Raises:
            LookupError: none of that id is recorded in this cell.
        """
        name = recovery.correlation_id if isinstance(recovery, Receipt) else recovery
        found = await Records(RedisReading(self._errand.client, self._errand.keys)).trace(name)
        if found is None:
            raise LookupError(f"no recovery {name!r} is recorded in this cell")
        return found

    async def escalations(self) -> tuple[Escalation, ...]:
        """What people were told in this cell, and nobody has acknowledged."""
        return (await inspect(self._errand)).escalations


def _as_it_is(handler: Handler) -> Handler:
    return handler

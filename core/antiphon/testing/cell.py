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

from antiphon.broker.approvals import Answer, Approvals, Ask
from antiphon.broker.cancelling import Cancelled, Cancelling
from antiphon.broker.clearing import clear
from antiphon.broker.errand import Errand
from antiphon.broker.inspection import inspect
from antiphon.broker.reading import RedisReading
from antiphon.duration import duration, format_duration
from antiphon.errors import ConfigurationError
from antiphon.guards.state import Escalation
from antiphon.publisher import Publisher, Receipt
from antiphon.records import Records
from antiphon.service import Service
from antiphon.settings import Settings
from antiphon.testing.expectation import Expectation, Unmet, expect
from antiphon.testing.hurry import Hurry, Pace
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

    hurry: Hurry
    """Whether delays are cut, or how many times as fast declared times pass."""

    _errand: Errand = field(repr=False)
    _publisher: Publisher = field(repr=False)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, redis_url: str | None = None, *, hurry: Hurry = False, **settings: Any
    ) -> AsyncIterator[Self]:
        """Make a cell that nobody else has, and take everything in it away afterwards.

        Args:
            redis_url: the server; one of its own, in memory, unless given.
            hurry: True cuts delays to 20 ms: those between attempts, and those of events that a
                handler puts off. A number, such as 1000, lets all declared times pass so many
                times as fast: delays, and also `within` of joins and approvals, and the deadlines
                of recoveries. All else takes its time.
            **settings: settings by name, such as ``storm="off"``. What is not given comes from
                the environment, as it does for a worker.

        Raises:
            ConfigurationError: a setting or the hurry is wrong, or a setting names the cell.
            ServerNotFound: there is no server program on this machine.
        """
        if "cell" in settings:
            raise ConfigurationError(
                f"cell={settings['cell']!r}: a test's cell is taken away afterwards, so it gets a "
                "name that nobody else has"
            )
        pace = Pace(hurry)
        async with AsyncExitStack() as stack:
            url = redis_url or stack.enter_context(temporary_server())
            chosen = pace.settings(
                Settings(
                    **{"drain": _DRAIN, **settings}, redis_url=url, cell=f"test-{uuid4().hex[:12]}"
                )
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
        change = Pace(self.hurry).handler
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
        name = _name(recovery)
        found = await Records(RedisReading(self._errand.client, self._errand.keys)).trace(name)
        if found is None:
            raise LookupError(f"no recovery {name!r} is recorded in this cell")
        return found

    async def escalations(self) -> tuple[Escalation, ...]:
        """What people were told in this cell, and nobody has acknowledged."""
        return (await inspect(self._errand)).escalations

    async def approvals(self) -> tuple[Ask, ...]:
        """What waits for people to agree to it in this cell, the longest waiting first."""
        return await Approvals(self._errand).waiting()

    async def approve(
        self, step: str, *, by: str, reason: str = "", within: str | timedelta = "10s"
    ) -> Answer:
        """Agree to a step, as soon as it waits for that.

        Args:
            step: the handler that waits, as `service.handler`, or the id of its approval.
            by: who agrees. Nobody may agree to a recovery they asked for, and here the test,
                which publishes as `test`, asks.
            reason: why, in their words.
            within: how long it may take until the step waits.

        Raises:
            LookupError: it does not wait by then, or several deliveries of it do.
            AntiphonError: this person may not answer.
        """
        return await self._answer(step, by=by, reason=reason, within=within, grant=True)

    async def deny(
        self, step: str, *, by: str, reason: str = "", within: str | timedelta = "10s"
    ) -> Answer:
        """Refuse a step, as soon as it waits for approval; see `approve`."""
        return await self._answer(step, by=by, reason=reason, within=within, grant=False)

    async def cancel(self, recovery: Receipt | str, *, by: str, reason: str = "") -> Cancelled:
        """Cancel a recovery and those it has started: no further step of them begins.

        Args:
            recovery: its correlation id, or the receipt of an event in it.
            by: who cancels it.
            reason: why, in their words.

        Raises:
            AntiphonError: there is no such recovery, or it is over.
        """
        return await Cancelling(self._errand).cancel(_name(recovery), by=by, reason=reason)

    async def _answer(
        self, step: str, *, by: str, reason: str, within: str | timedelta, grant: bool
    ) -> Answer:
        desk, limit = Approvals(self._errand), duration(within)
        deadline = time.monotonic() + limit.total_seconds()
        while True:
            asks = await desk.waiting()
            match [ask for ask in asks if step in {ask.id, ask.step}]:
                case [ask]:
                    return await desk.answer(ask.id, by=by, grant=grant, reason=reason)
                case [_, _, *_] as several:
                    ids = ", ".join(f"{ask.id} about {ask.subject}" for ask in several)
                    raise LookupError(f"{step} waits for several approvals: say which of {ids}")
            if time.monotonic() >= deadline:
                others = ", ".join(dict.fromkeys(ask.step for ask in asks))
                raise LookupError(
                    f"{step} does not wait for an approval, not within {format_duration(limit)}; "
                    f"these do: {others or 'none'}"
                )
            await asyncio.sleep(_LONGEST_PAUSE_S)


def _name(recovery: Receipt | str) -> str:
    return recovery.correlation_id if isinstance(recovery, Receipt) else recovery

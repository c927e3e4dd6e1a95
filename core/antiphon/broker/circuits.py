"""Circuit breakers around the calls a handler makes: entering and leaving, on the server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta

from antiphon.broker.gather import Gatherer
from antiphon.broker.rousing import Rouser
from antiphon.broker.scripts import Call, script
from antiphon.duration import milliseconds
from antiphon.guards.breaker import Breaker, CircuitOpen, Ended
from antiphon.keys import Keys
from antiphon.outcome import describe
from antiphon.settings import Settings
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.metrics import decided


class Circuits:
    """Guards calls by breakers that all replicas share."""

    def __init__(self, gatherer: Gatherer, keys: Keys, settings: Settings, rouser: Rouser) -> None:
        self._gatherer = gatherer
        self._rouser = rouser
        self._keys = keys
        self._lease_ms = milliseconds(settings.lease)
        self._count = itertools.count(1)
        self._log = get_logger()

    def guard(
        self, breaker: Breaker, name: str, caller: str, late: Callable[[], bool]
    ) -> AbstractAsyncContextManager[None]:
        """Guard the calls made within; see `Recovery.breaker`.

        `late` says whether a cancellation means that the handler's time is over: then the target
        has hung, which is a failure.
        """
        return self._guarded(breaker, name, f"{caller}#{next(self._count)}", late)

    @asynccontextmanager
    async def _guarded(
        self, breaker: Breaker, name: str, who: str, late: Callable[[], bool]
    ) -> AsyncIterator[None]:
        renewing: asyncio.Task[None] | None = None
        if await self._enter(breaker, name, who):
            renewing = asyncio.create_task(self._renew(breaker, name, who))
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            if isinstance(raised, asyncio.CancelledError) and late():
                error = TimeoutError("the handler's time was over")
            raise
        finally:
            if renewing is not None:
                renewing.cancel()
            await self._leave(breaker, name, who, error)

    async def _renew(self, breaker: Breaker, name: str, who: str) -> None:
        """Remain the probe, however long the call takes; when it is another's, there is an end."""
        with suppress(CircuitOpen):
            while True:
                await asyncio.sleep(self._lease_ms / 3000)
                await self._enter(breaker, name, who)

    async def _enter(self, breaker: Breaker, name: str, who: str) -> bool:
        """Go out, or raise; returns whether the call is the probe."""
        reset_ms = milliseconds(breaker.reset_timeout)
        entry = f"breaker|{name}|{breaker.fail_max}|{reset_ms}"
        keys = (self._keys.guard("breaker", name), self._keys.guards)
        call = Call(script("enter"), keys, (who, self._lease_ms, entry, reset_ms))
        goes, *rest = await self._gatherer.run(call)
        if goes:
            return bool(rest[0])
        wait_ms, failures = rest
        decided("breaker", "refused")
        wait = timedelta(milliseconds=wait_ms)
        raise CircuitOpen(
            f"the circuit {name!r} is open after {failures} failures",
            guard="breaker",
            name=name,
            limit=breaker.fail_max,
            value=failures,
            retry_after=wait,
        )

    async def _leave(
        self, breaker: Breaker, name: str, who: str, error: BaseException | None
    ) -> None:
        ended = breaker.ended(error)
        args = (
            who,
            ended,
            breaker.fail_max,
            milliseconds(breaker.reset_timeout),
            breaker.success_threshold,
        )
        call = Call(script("leave"), (self._keys.guard("breaker", name),), args)
        change = (await self._gatherer.run(call)).decode()
        await self.after(breaker, name, change, ended, error)

    async def after(
        self,
        breaker: Breaker,
        name: str,
        change: str,
        ended: Ended,
        error: BaseException | None,
    ) -> None:
        """Tell of a call that ended, and rouse whom a closed circuit held."""
        try:
            breaker.tell(name, change, ended, error)
        except Exception as failed:  # noqa: BLE001 - it may be anybody's code
            # A listener is told; it has no say in what became of the call.
            self._log.error("listener.failed", breaker=name, error=describe(failed))
        if not change:
            return
        before, _, after = change.partition(">")
        if before != after:
            self._log.warning("breaker.changed", breaker=name, before=before, after=after)
        if after != "open":
            await self._rouser.attempt(self._rouser.everyone("breaker", name))

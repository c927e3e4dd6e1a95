"""Circuit breakers around the calls a handler makes: entering and leaving, on the server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from antiphon.broker.faults import SERVER_ERRORS
from antiphon.broker.gather import Gatherer
from antiphon.broker.rousing import Rouser
from antiphon.broker.scripts import Call, script
from antiphon.duration import milliseconds
from antiphon.guards.breaker import Breaker, CircuitOpen, Ended
from antiphon.keys import Keys
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

    def guard(self, breaker: Breaker, caller: str) -> AbstractAsyncContextManager[None]:
        """Guard the calls made within; see `Recovery.breaker`."""
        return self._guarded(breaker, breaker.name or "", f"{caller}#{next(self._count)}")

    @asynccontextmanager
    async def _guarded(self, breaker: Breaker, name: str, who: str) -> AsyncIterator[None]:
        await self._enter(breaker, name, who)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            await self._leave(breaker, name, who, error)

    async def _enter(self, breaker: Breaker, name: str, who: str) -> None:
        reset_ms = milliseconds(breaker.reset_timeout)
        entry = f"breaker|{name}|{breaker.fail_max}|{reset_ms}"
        keys = (self._keys.guard("breaker", name), self._keys.guards)
        call = Call(script("enter"), keys, (who, self._lease_ms, entry, reset_ms))
        goes, *rest = await self._gatherer.run(call)
        if goes:
            return
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
        breaker.tell(name, change, ended, error)
        if not change:
            return
        before, _, after = change.partition(">")
        self._log.warning("breaker.changed", breaker=name, before=before, after=after)
        if after == "closed":
            await self._rouse(self._rouser.everyone("breaker", name))

    async def rouse(self, delivery: str) -> None:
        """Have a delivery looked at again that was held."""
        await self._rouse(self._rouser.rouse(delivery))

    async def _rouse(self, rousing: Awaitable[int]) -> None:
        try:
            await rousing
        except SERVER_ERRORS as error:
            # Whoever is not roused looks again by itself, a little later.
            self._log.info("delivery.not_roused", error=str(error))

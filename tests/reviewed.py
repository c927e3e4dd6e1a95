"""A shop whose recoveries take people: retries, an approval, a pause, a death, an escalation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from antiphon import (
    Approval,
    PermanentError,
    Recovery,
    Retry,
    Service,
    Settings,
    TransientError,
)
from antiphon.broker.approvals import Approvals, Ask
from antiphon.broker.cancelling import Cancelling
from antiphon.broker.errand import Errand
from antiphon.broker.escalations import Escalations
from antiphon.broker.switch import Switch
from antiphon.guards.scope import Scope
from antiphon_events import DatabaseFailed, DatabaseRestored, ServiceFailed, ServiceRestarted
from support import until
from witness import Witness, running

SOON = Retry(attempts=3, first="150ms", longest="150ms")
ONCE = Retry(attempts=1)


@dataclass
class Shop:
    """Services, and the people who look after them."""

    errand: Errand
    witness: Witness
    service: Service

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings, witness: Witness) -> AsyncIterator[Shop]:
        service = Service("shop", settings=settings)

        @service.on(DatabaseFailed, retry=SOON)
        async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
            if recovery.attempt == 1:
                raise TransientError("the backup store is away | try `later`")
            await asyncio.sleep(0.2)
            return DatabaseRestored(subject=failed.subject)

        @service.on(DatabaseRestored, approval=Approval(("ana", "ben")))
        async def restart(restored: DatabaseRestored) -> ServiceRestarted:
            await asyncio.sleep(0.1)
            return ServiceRestarted(subject="orders-api")

        @service.on(ServiceRestarted)
        async def warm(restarted: ServiceRestarted) -> None:
            await asyncio.sleep(0.1)

        @service.on(ServiceFailed, retry=ONCE)
        async def page(failed: ServiceFailed) -> None:
            raise PermanentError("no such phone number")

        async with running(service), Errand.begin(settings) as errand:
            yield cls(errand, witness, service)

    async def restored(self, subject: str = "orders-db") -> str:
        """A database that is restored: a retry, a pause in the middle, and somebody who agrees."""
        switch = Switch(self.errand, by="ana", reason="a deploy")
        scope = Scope.of(subject=subject)
        await switch.pause(scope)
        receipt = await self.service.publish(DatabaseFailed(subject=subject))
        await self.witness.told(receipt.correlation_id, "held", guard="pause")
        await switch.resume(scope)
        ask = await self.asked()
        await Approvals(self.errand).answer(ask.id, by="ben", grant=True, reason="seen it")
        await self.witness.closed(receipt.correlation_id)
        return receipt.correlation_id

    async def failed(self, subject: str = "orders-api") -> str:
        """A failure that comes to nothing, which people are told of and somebody acknowledges."""
        receipt = await self.service.publish(ServiceFailed(subject=subject))
        await self.witness.closed(receipt.correlation_id, verdict="failed")
        return receipt.correlation_id

    async def cancelled(self, subject: str = "billing-db") -> str:
        """A recovery that somebody ends while it waits for people."""
        receipt = await self.service.publish(DatabaseFailed(subject=subject))
        await self.asked()
        await Cancelling(self.errand).cancel(receipt.correlation_id, by="cleo", reason="a drill")
        await self.witness.closed(receipt.correlation_id, verdict="cancelled")
        return receipt.correlation_id

    async def acknowledge(self, correlation_id: str) -> None:
        await Escalations(self.errand).acknowledge(correlation_id, by="ana", reason="on it")

    async def asked(self) -> Ask:
        """Wait for the one request."""

        async def found() -> tuple[Ask, ...]:
            return await Approvals(self.errand).waiting()

        [ask] = await until(found, 20)
        return ask

"""What recovery cannot do, people are told; and who answers spares everybody else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from antiphon import Service, Settings
from antiphon.duties.escalator import Escalator
from antiphon_events import RecoveryEscalated, ServiceFailed
from antiphon_handlers.notice import Notice
from antiphon_handlers.notify import notify
from program import antiphon
from support import until
from witness import Witness, changed, running


class Telephone:
    """A channel that rings in the test."""

    name = "telephone"

    def __init__(self) -> None:
        self.rings: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        self.rings.append(notice)


async def test_an_escalation_goes_up_until_somebody_answers(
    settings: Settings, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tier 1 is told at once, tier 2 when nobody answers, and nobody after `antiphon ack`."""
    monkeypatch.setattr(Escalator, "every", timedelta(milliseconds=100))
    quick = changed(settings, escalate_after="300ms,1h")
    ops, people = Service("ops", settings=quick), Service("people", settings=quick)
    on_call, boss, owner = Telephone(), Telephone(), Telephone()
    people.on(RecoveryEscalated)(notify([on_call], [boss], [owner]))

    @ops.on(ServiceFailed, budget="1/10m")
    async def restart(failed: ServiceFailed) -> None: ...

    async with running(ops, people):
        helped = await ops.publish(ServiceFailed(subject="orders-api"))
        await witness.closed(helped.correlation_id)
        receipt = await ops.publish(ServiceFailed(subject="orders-api"))

        await until(lambda: on_call.rings)
        await until(lambda: boss.rings)
        (first,), (ring,) = on_call.rings, boss.rings
        assert (first.tier, ring.tier) == (1, 2)
        assert (ring.guard, ring.limit, ring.correlation_id) == (
            "budget",
            1,
            receipt.correlation_id,
        )
        assert ring.tried == (f"restart:orders-api in {helped.correlation_id}",)

        program, command, recovery = ring.acknowledge.split()
        assert program == "antiphon"
        answered = await antiphon(settings, command, recovery, "--as", "ada")
        assert answered.out == "Acknowledged by ada: nobody further up is told.\n"
        assert await witness.client.zcard(witness.keys.escalations) == 0
        await witness.told(receipt.correlation_id, "acknowledged", by="ada")
        await witness.closed(receipt.correlation_id, verdict="failed")
    assert (len(on_call.rings), len(boss.rings), len(owner.rings)) == (1, 1, 0)

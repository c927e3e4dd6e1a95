"""A deserted group whose stream was deleted once kept the janitor from cleaning up anything."""

from __future__ import annotations

import pytest

from antiphon import Service, Settings
from antiphon.broker.session import Session
from antiphon.duties.janitor import Janitor
from antiphon_events import ServiceFailed
from witness import Witness, running


@pytest.mark.parametrize("lost", ["stream", "group"])
async def test_the_janitor_goes_on_without_a_lost_group(
    settings: Settings, witness: Witness, lost: str
) -> None:
    """What one handler has lost does not keep the streams of all others from being trimmed."""
    orders = Service("orders", settings=settings)

    @orders.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    async with running(orders):
        pass
    inbox = witness.keys.inbox("orders.restart")
    if lost == "stream":
        await witness.client.delete(inbox)
    else:
        await witness.client.xgroup_destroy(inbox, "orders.restart")
    session = Session.open(settings)
    await witness.client.delete(witness.keys.turn(Janitor.name))
    await witness.client.zadd(witness.keys.closed_recoveries, {"long ago": 1})
    try:
        await Janitor(session).once()
    finally:
        await session.aclose()
    assert await witness.client.zcard(witness.keys.closed_recoveries) == 0

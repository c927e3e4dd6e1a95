"""A worker whose clock ran ahead once gave up events before their time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from antiphon import Publisher, Settings
from antiphon.broker.session import Session
from antiphon.duties.auditor import Auditor
from antiphon_events import ServiceFailed
from witness import Witness


async def test_the_auditor_goes_by_the_server_s_clock(
    settings: Settings, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody hears yet is given up after `unheard_after`, whatever a worker's clock says."""
    async with Publisher(settings) as publisher:
        receipt = await publisher.publish(ServiceFailed(subject="orders-db"))
    ahead = time.time() + 2 * settings.unheard_after / timedelta(seconds=1)
    monkeypatch.setattr(time, "time", lambda: ahead)
    session = Session.open(settings)
    try:
        await Auditor(session).once()
    finally:
        await session.aclose()
    assert await witness.open_recoveries() == [receipt.correlation_id]

"""A delay longer than idempotency keys are kept once forgot the attempts and retried for ever."""

from __future__ import annotations

from antiphon.duration import milliseconds
from antiphon_events import ServiceFailed
from scripted import HOUR_MS, ScriptedCell, handler

RESTORE = handler(ServiceFailed.about("orders-db"), name="orders.restore")


async def test_attempts_are_counted_however_long_the_wait(work: ScriptedCell) -> None:
    """The key of a postponed delivery is remembered beyond the instant of its next attempt."""
    await work.deploy(RESTORE)
    sent = await work.publish(ServiceFailed(subject="orders-db"))
    kept_ms = milliseconds(work.settings.key_retention)
    delay_ms = kept_ms + HOUR_MS
    await work.postpone(await work.take(RESTORE), delay_ms)
    key = work.keys.idempotency(RESTORE.group, sent.envelope.id)
    assert delay_ms < await work.client.pttl(key) <= delay_ms + kept_ms

"""Incidents: a failure joins the recovery that is open for its type and subject.

The script that publishes or admits a failure knows of another recovery by its name alone; whether
that one is still open is asked with the keys of its record. So joining takes a second step, and a
failure that finds the recovery over goes on with what it learnt: when that closed, and how.
"""

from __future__ import annotations

from antiphon.broker.gather import Gatherer
from antiphon.broker.scripts import Call, script
from antiphon.delivery import Delivery
from antiphon.duration import milliseconds
from antiphon.keys import Keys
from antiphon.settings import Settings
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.metrics import decided
from antiphon_events import Envelope


class Incidents:
    """Lets the failures of one process join open recoveries."""

    def __init__(self, gatherer: Gatherer, keys: Keys, settings: Settings, consumer: str) -> None:
        self._gatherer = gatherer
        self._keys = keys
        self._settings = settings
        self._consumer = consumer
        self._log = get_logger()

    async def join(
        self, recovery: str, failure: Envelope, event_type: str, delivery: Delivery | None = None
    ) -> str:
        """Let a failure join a recovery.

        Args:
            recovery: the recovery it was pointed to.
            failure: the failure's envelope.
            event_type: the type under which it is counted.
            delivery: what brought it, to be acknowledged; None when it is being published.

        Returns:
            Empty when it is counted there. Otherwise that recovery is over, or is not to be joined:
            what the next try is to be given, so that it is not pointed there again.
        """
        d, keys, subject = delivery, self._keys, failure.subject
        call = Call(
            script("coalesce"),
            (
                *keys.record(recovery, subject),
                keys.published(failure.id),
                d.stream if d else keys.events(event_type),
                keys.due(d.handler.group if d else ""),
            ),
            (
                recovery,
                milliseconds(self._settings.record_retention),
                milliseconds(self._settings.key_retention),
                event_type,
                subject,
                failure.id,
                1 if self._settings.coalesce else "",
                d.handler.group if d else "",
                d.entry_id if d else "",
                self._consumer,
                failure.source,
            ),
        )
        joined, number, more = await self._gatherer.run(call)
        if not joined:
            return f"{number} {more.decode()} {recovery}"
        if more:
            decided("coalescing", "coalesced")
        self._log.info(
            "event.coalesced",
            correlation_id=recovery,
            event_id=failure.id,
            event_type=event_type,
            subject=subject,
            count=number,
            # Perhaps nobody has said so yet: the answer to the first try may have been lost.
            **({} if more else {"repeated": True}),
        )
        return ""

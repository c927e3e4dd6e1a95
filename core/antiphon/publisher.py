"""Publishing from outside a handler: how a recovery begins."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from antiphon.broker.calls import publish_call
from antiphon.broker.connection import connect
from antiphon.broker.gather import Gatherer
from antiphon.broker.incidents import Incidents
from antiphon.broker.replies import Onset
from antiphon.errors import PermanentError
from antiphon.keys import Keys
from antiphon.recovery import current
from antiphon.refusal import say_onset
from antiphon.settings import Settings
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.metrics import published
from antiphon.telemetry.tracing import sender, traceparent_here
from antiphon_events import Envelope, Event, Failure, uuid7

_PATIENCE = timedelta(seconds=10)

_BEFORE, _JOINS, _COUNTED = 0, 2, 3
"""What `publish.lua` answers beside a place, when the event was not written now."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an event went."""

    correlation_id: str
    """The recovery it belongs to: what to trace."""
    event_id: str
    entry_id: str
    """Its entry in the stream of its type."""
    repeated: bool
    """Whether the same event had been published before; then nothing was written now."""
    coalesced: bool = False
    """Whether it joined a recovery that is open for its type and subject; then it has no entry."""


class Publisher:
    """Publishes events, each once, however often publishing is repeated.

    Use it as an async context manager, or close it.
    Publishing many events concurrently gathers them into few round trips.
    """

    def __init__(self, settings: Settings | None = None, *, source: str = "publisher") -> None:
        self._settings = settings or Settings()
        self._source = source
        self._keys = Keys(self._settings.cell)
        self._client = connect(self._settings)
        self._gatherer = Gatherer(self._client, patience=_PATIENCE)
        self._incidents = Incidents(self._gatherer, self._keys, self._settings, source)
        self._log = get_logger()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._gatherer.aclose()
        await self._client.aclose()

    def prepare(
        self,
        event: Event,
        *,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Envelope:
        """Give an event its envelope: the ids under which publishing it can be repeated."""
        event_id, running = uuid7(), current.get()
        if running is not None and correlation_id is None:
            correlation_id, causation_id = running.correlation_id, causation_id or running.event_id
        return Envelope(
            id=event_id,
            source=self._source,
            type=event.type,
            subject=event.subject,
            time=datetime.now(UTC),
            version=event.version,
            correlation_id=correlation_id or event_id,
            causation_id=causation_id,
            idempotency_key=idempotency_key,
            hops=running.envelope.hops + 1 if running is not None else 0,
            traceparent=traceparent_here(),
        )

    async def publish(
        self,
        event: Event,
        *,
        envelope: Envelope | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Receipt:
        """Publish an event; without a correlation id it opens a recovery of its own.

        Inside a handler it joins the handler's recovery, at once and not with the commit:
        prefer returning events, or `Recovery.publish`.

        Args:
            event: what happened.
            envelope: the envelope of an earlier, uncertain try: publishing the same event again
                writes it only if it has not been written.
            correlation_id: the recovery it belongs to.
            causation_id: the event that caused it.
            idempotency_key: the name of the effect it asks for.

        Raises:
            StreamUnavailable: the server could not be reached for ten seconds. Whether the event
                was written is unknown; repeat with the same envelope.
            PermanentError: the event is larger than any handler would read.
        """

        def sent() -> Awaitable[Receipt]:
            return self._send(
                event,
                envelope
                or self.prepare(
                    event,
                    correlation_id=correlation_id,
                    causation_id=causation_id,
                    idempotency_key=idempotency_key,
                ),
            )

        spans = sender(self._settings, self._source)
        if spans is None:
            return await sent()
        with spans.sending(event, self._keys.events(event.type), envelope) as span:
            receipt = await sent()
            span.done(receipt)
            return receipt

    async def _send(self, event: Event, envelope: Envelope) -> Receipt:
        data = event.data_json()
        if len(data) > self._settings.max_payload_bytes:
            raise PermanentError(
                f"{event.type}: its data is {len(data):,} bytes, and "
                f"{self._settings.max_payload_bytes:,} are allowed (ANTIPHON_MAX_PAYLOAD_BYTES)"
            )
        failure = isinstance(event, Failure)
        receipt = await self._write(envelope, data, failure=failure)
        if not receipt.coalesced:
            # Perhaps nobody has said so yet: the answer to the first try may have been lost.
            repeated = {"repeated": True} if receipt.repeated else {}
            if not receipt.repeated:
                published(event.type)
            self._log.info(
                "event.published",
                correlation_id=receipt.correlation_id,
                causation_id=envelope.causation_id,
                event_id=receipt.event_id,
                event_type=event.type,
                subject=event.subject,
                entry_id=receipt.entry_id,
                source=envelope.source,
                **repeated,
            )
        return receipt

    async def _write(self, envelope: Envelope, data: bytes, *, failure: bool) -> Receipt:
        """Write the entry, or let the failure join the open recovery of its incident."""
        keys, settings, over = self._keys, self._settings, ""
        while True:
            call = publish_call(keys, settings, envelope, data, failure=failure, over=over)
            place, answer, *news = await self._gatherer.run(call)
            self._say_onsets(envelope, news)
            where = place.decode()
            if answer == _COUNTED:
                return Receipt(where, envelope.id, "", repeated=True, coalesced=True)
            if answer != _JOINS:
                recovery, repeated = envelope.correlation_id, answer == _BEFORE
                return Receipt(recovery, envelope.id, where, repeated=repeated)
            over = await self._incidents.join(where, envelope, envelope.type)
            if not over:
                return Receipt(where, envelope.id, "", repeated=False, coalesced=True)

    def _say_onsets(self, envelope: Envelope, news: list[Any]) -> None:
        for row in news:
            log = self._log.bind(correlation_id=envelope.correlation_id, subject=envelope.subject)
            say_onset(Onset.read(row), log)

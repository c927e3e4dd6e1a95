"""The life of a delivery, from entry to outcome."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

import orjson

from antiphon.broker.calls import Calls, Lease
from antiphon.broker.circuits import Circuits
from antiphon.broker.gather import Gatherer
from antiphon.broker.incidents import Incidents
from antiphon.broker.replies import (
    JOINS,
    UNNAMED,
    Admission,
    OnHold,
    Onset,
    Run,
    Suppressed,
    WasHeld,
    admission,
)
from antiphon.broker.rousing import Rouser
from antiphon.broker.scripts import Call
from antiphon.closing import Closing, say_closed
from antiphon.delivery import Delivery, receive
from antiphon.duration import format_duration
from antiphon.errors import LeaseLost, PermanentError, RecoveryExhausted, TransientError
from antiphon.flow.join import Joined, branch_name
from antiphon.handler import Handler
from antiphon.inflight import Flight, Interruption
from antiphon.invoking import Invoke, undoer
from antiphon.outcome import Abandoned, Done, Outcome, Released, crashed_too_often, writable
from antiphon.recovery import Recovery, current
from antiphon.refusal import say_approval, say_onset, say_refusal, say_unapproved
from antiphon.settler import Settler, Wake
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.metrics import Ending, Steps
from antiphon_events import Event

if TYPE_CHECKING:
    from antiphon.telemetry.spans import HandlerSpans


_REFUSED = 2
"""What `progress.lua` answers whoever has lost the lease."""


class Executor:
    """Runs the deliveries of one handler."""

    def __init__(
        self,
        handler: Handler,
        invoke: Invoke,
        *,
        calls: Calls,
        gatherer: Gatherer,
        settler: Settler,
        incidents: Incidents,
        wake: Wake,
        circuits: Circuits,
        rouser: Rouser,
        consumer: str,
        max_payload_bytes: int,
        spans: HandlerSpans | None = None,
    ) -> None:
        self.handler = handler
        self._spans = spans
        self._invoke = invoke
        self._undo = undoer(handler) or _undo_nothing
        self._calls = calls
        self._gatherer = gatherer
        self._settler = settler
        self._incidents = incidents
        self._wake = wake
        self._circuits = circuits
        self._rouser = rouser
        self._consumer = consumer
        self._max_payload_bytes = max_payload_bytes
        self._steps = Steps(handler.group)
        self._count = itertools.count(1)
        self._log = get_logger()

    async def deliver(
        self, stream: str, label: str, entry_id: str, fields: Mapping[bytes, bytes], flight: Flight
    ) -> None:
        """Take one entry to its outcome."""
        delivery = self._receive(stream, label, entry_id, fields)
        if not delivery.wanted:
            await self._pass(delivery)
            return
        owner = f"{self._consumer}#{next(self._count)}"
        kept = _kept(delivery, fields) if self.handler.join else b""
        asked = await self._ask(
            delivery,
            lambda over, named: self._calls.admit(delivery, owner, kept, over, named=named),
        )
        if asked is None:
            if self._spans is not None:
                self._spans.decided(delivery, "coalesced")
            return
        call, reply = asked
        admitted, onsets = admission(reply)
        held = _held_before(WasHeld.of(reply))
        self._say_onsets(delivery, onsets)
        if isinstance(admitted, Run):
            lease = Lease(
                delivery, owner, admitted.attempt, admitted.failures, admitted.token, call.keys
            )
            await self._run(lease, admitted, flight, held)
        else:
            await self._stand_back(delivery, admitted, held)

    async def _stand_back(
        self, delivery: Delivery, why: Admission, held: Mapping[str, object]
    ) -> None:
        """The delivery does not run now, or not at all."""
        if self._spans is not None:
            self._spans.refused(delivery, why)
        if isinstance(why, OnHold):
            self._wake(max(0.0, why.due_ms / 1000 - time.time()))
        log = self._log.bind(**self._log_fields(delivery), **held)
        if isinstance(why, OnHold | Suppressed) and why.guard == "approval":
            say_approval(why, self.handler.course.approval, log)
        say_refusal(why, delivery.key, delivery.envelope.correlation_id, log)
        if isinstance(why, Suppressed) and why.path:  # halted: nothing is worth waiting for
            rousing = self._rouser.recovery(delivery.envelope.correlation_id)
            await self._rouser.attempt(rousing)

    async def _won(self, lease: Lease, run: Run) -> None:
        """Say that a join fired without all its branches; end what would bring the others."""
        join, d = self.handler.join, lease.delivery
        if join is None or d.undo or lease.attempt > 1 or join.needed >= len(join.branches):
            return
        self._log.info("join.won", branch=d.branch, losers=join.losers)
        if join.losers == "cancel":
            lost = {b.event.type for b in join.branches if branch_name(b) not in run.branches}
            rousing = self._rouser.bringing(d.envelope.correlation_id, lost)
            await self._rouser.attempt(rousing)

    def _say_onsets(self, delivery: Delivery, onsets: Iterable[Onset]) -> None:
        for onset in onsets:
            say_onset(onset, self._log.bind(**self._log_fields(delivery)))

    async def _pass(self, delivery: Delivery) -> None:
        """Let a delivery go that the handler does not want."""
        asked = await self._ask(delivery, lambda over, _: self._calls.skip(delivery, over))
        if asked is None:
            return
        _, verdict, awaited, *news = asked[1]
        self._say_onsets(delivery, [Onset.read(row) for row in news])
        if awaited:
            self._log.info("delivery.skipped", **self._log_fields(delivery))
        if closing := Closing.read(verdict):
            log = self._log.bind(**self._log_fields(delivery))
            say_closed(closing, delivery.envelope.correlation_id, log)

    async def _ask(
        self, delivery: Delivery, call: Callable[[str, bool], Call]
    ) -> tuple[Call, list[Any]] | None:
        """Ask the server what becomes of a delivery.

        Returns the call that was answered, and its reply; None when the delivery was a failure that
        is counted in an open recovery, and is over.
        """
        over, named = "", False
        while True:
            asked = call(over, named)
            reply = await self._gatherer.run(asked)
            if reply[0] == UNNAMED:
                named = True
                continue
            if reply[0] != JOINS:
                return asked, reply
            recovery = reply[1].decode()
            over = await self._incidents.join(recovery, delivery.envelope, delivery.type, delivery)
            if not over:
                return None

    def _receive(
        self, stream: str, label: str, entry_id: str, fields: Mapping[bytes, bytes]
    ) -> Delivery:
        return receive(
            self.handler,
            stream=stream,
            label=label,
            entry_id=entry_id,
            fields=fields,
            max_payload_bytes=self._max_payload_bytes,
        )

    async def _run(
        self, lease: Lease, run: Run, flight: Flight, held: Mapping[str, object]
    ) -> None:
        flight.lease, flight.renewed = lease, time.monotonic()
        if self._spans is None:
            await self._step(lease, run, flight, held)
            return
        span = self._spans.begin(lease, run)
        outcome, ending = None, None
        try:
            outcome, ending = await self._step(lease, run, flight, held)
        finally:
            span.end(outcome, ending)

    async def _step(
        self, lease: Lease, run: Run, flight: Flight, held: Mapping[str, object]
    ) -> tuple[Outcome, Ending]:
        """Run an attempt; returns what it should have ended as, and what it did."""
        recovery = self._recovery(lease, flight)
        current.set(recovery)
        taken_over = {"taken_over_from": run.previous} if run.previous else {}
        self._log.info("delivery.started", token=run.token, **taken_over, **held)
        if run.previous:
            self._steps.taken_over()
        if run.unapproved:
            say_unapproved(run.unapproved, self._log)
        await self._won(lease, run)
        self._steps.began()
        try:
            started = time.monotonic()
            outcome = await self._outcome(lease, run, recovery, flight)
            spent_s = time.monotonic() - started
            flight.settling = True
            ending = await self._settler.settle(lease, outcome, int(spent_s * 1000))
        finally:
            self._steps.over()
        self._steps.ended(ending, spent_s, lease.delivery.envelope.correlation_id)
        return outcome, ending

    async def _outcome(self, lease: Lease, run: Run, recovery: Recovery, flight: Flight) -> Outcome:
        """Run the handler, and say what its result or error means."""
        try:
            _refuse_hopeless(lease)
            argument = self._argument(lease.delivery, run)
            if lease.delivery.undo is not None:
                recovery.undoing = Joined(lease.delivery.undo.events())
            alarm = self._alarm(flight)
            invoke = self._undo if lease.delivery.undo else self._invoke
            try:
                result = await invoke(argument, recovery, lease.delivery)
            finally:
                if alarm is not None:
                    alarm.cancel()
            events = (*_events(result, self.handler), *recovery.published)
            return Done(events, recovery.later, recovery.children, run.branches)
        except asyncio.CancelledError as error:
            if flight.interrupted is None and flight.task.cancelling():
                raise  # nobody here asked for it: the whole program is being stopped
            flight.task.uncancel()
            return self._interrupted(lease, flight.interrupted, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a handler's error is a verdict
            return self._settler.judge(lease, error)

    def _alarm(self, flight: Flight) -> asyncio.TimerHandle | None:
        """Have the handler interrupted when its time is over."""
        timeout = self.handler.timeout
        if timeout is None:
            return None
        loop = asyncio.get_running_loop()
        return loop.call_later(timeout.total_seconds(), flight.interrupt, Interruption.LATE)

    def _interrupted(self, lease: Lease, why: Interruption | None, error: BaseException) -> Outcome:
        match why:
            case Interruption.LOST:
                return Abandoned()
            case Interruption.STOPPING:
                return Released()
            case Interruption.LATE:
                limit = format_duration(self.handler.timeout or timedelta())
                return self._settler.judge(lease, TransientError(f"timed out after {limit}"))
            case None:  # the handler let a cancellation of its own escape: it failed
                return self._settler.judge(lease, error)
            case _:
                assert_never(why)

    def _argument(self, delivery: Delivery, run: Run) -> Event | Joined:
        if self.handler.join is None:
            if delivery.event is None:
                raise PermanentError("the delivery has no event")
            return delivery.event
        branches: Mapping[str, str | bytes] = run.branches
        if delivery.undo is not None:
            branches = delivery.undo.branches
        order = {branch_name(b): place for place, b in enumerate(self.handler.join.branches)}
        arrived = sorted(branches, key=order.__getitem__)
        return Joined(tuple(self._branch(branches[name]) for name in arrived))

    def _branch(self, kept: str | bytes) -> Event:
        label, entry_id, stream, fields = orjson.loads(kept)
        raw = {name.encode(): value.encode() for name, value in fields.items()}
        event = self._receive(stream, label, entry_id, raw).event
        if event is None:
            raise PermanentError(f"the branch kept from {stream} {entry_id} cannot be read back")
        return event

    def _recovery(self, lease: Lease, flight: Flight) -> Recovery:
        d, e, timeout = lease.delivery, lease.delivery.envelope, self.handler.timeout

        async def report(fraction: float, message: str) -> None:
            message = writable(message)
            reply = await self._gatherer.run(self._calls.progress(lease, fraction, message))
            if reply[0] == _REFUSED:  # the ledger says so, too
                self._log.warning("delivery.refused", reason="the lease was lost before a report")
            if reply[0] != 1:
                raise LeaseLost
            self._log.info("delivery.progress", fraction=fraction, message=message)

        return Recovery(
            e,
            attempt=lease.attempt,
            token=lease.token,
            deadline=datetime.now(UTC) + timeout if timeout else None,
            reporter=report,
            log_fields=self._log_fields(d, lease.attempt),
            guard=lambda breaker, name: self._circuits.guard(
                breaker,
                name,
                f"{d.name}#{lease.token}",
                late=lambda: flight.interrupted is Interruption.LATE,
            ),
        )

    def _log_fields(self, d: Delivery, attempt: int | None = None) -> dict[str, object]:
        e = d.envelope
        return {
            "correlation_id": e.correlation_id,
            "causation_id": e.causation_id,
            "event_id": e.id,
            "event_type": e.type,
            "subject": e.subject,
            "service": self.handler.service,
            "handler": self.handler.name,
            "group": self.handler.group,
            "consumer": self._consumer,
            "entry_id": d.entry_id,
            "attempt": attempt,
            **({"undo_of": e.causation_id} if d.undo else {}),
        }


def _held_before(held: WasHeld | None) -> dict[str, object]:
    """What a log line says of a hold that is over: whoever began it may not have lived to say."""
    if held is None:
        return {}
    return {"held_by": held.guard, "held_name": held.name, "held_since_ms": held.since_ms}


async def _undo_nothing(_: Event | Joined, __: Recovery, delivery: Delivery) -> object:
    raise PermanentError(f"{delivery.handler.group} does not say any more how it is undone")


def _refuse_hopeless(lease: Lease) -> None:
    """Raise for a delivery that no attempt can bring to a good end."""
    if lease.delivery.flaw is not None:
        raise lease.delivery.flaw
    if crashed_too_often(attempt=lease.attempt, failures=lease.failures):
        raise RecoveryExhausted(
            f"{lease.attempt - 1 - lease.failures} workers died while they handled it"
        )


def _events(result: object, handler: Handler) -> Iterator[Event]:
    """The events a handler returned: one, several, or none."""
    if result is None:
        return
    for event in result if isinstance(result, list | tuple) else [result]:
        if not isinstance(event, Event):
            raise PermanentError(
                f"{handler.group} returned {event!r}: return an event, several in a list, or None"
            )
        yield event


def _kept(delivery: Delivery, fields: Mapping[bytes, bytes]) -> bytes:
    """A branch of a join as the record keeps it: all that is needed to read it again."""
    text = {name.decode(errors="replace"): v.decode(errors="replace") for name, v in fields.items()}
    return orjson.dumps([delivery.label, delivery.entry_id, delivery.stream, text])

"""Outcomes become Redis commands here, and nowhere else."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import assert_never

from antiphon.broker.calls import Calls, Lease, Outgoing
from antiphon.broker.circuits import Circuits
from antiphon.broker.faults import ScriptFailed
from antiphon.broker.gather import Gatherer
from antiphon.broker.replies import Committed, settlement
from antiphon.broker.rousing import Rouser
from antiphon.broker.scripts import Call
from antiphon.closing import say_closed
from antiphon.delivery import Delivery
from antiphon.duration import milliseconds
from antiphon.errors import PermanentError
from antiphon.guards.breaker import Ended
from antiphon.outcome import (
    Abandoned,
    Dead,
    Deferred,
    Done,
    Outcome,
    Released,
    Retrying,
    describe,
    judge,
)
from antiphon.outgoing import answers_for, outgoings, undo_plan
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.metrics import Ending, decided, published

_DROPPED = "dropped"
"""What `consequences.lua` says of an event that a recovery which was stopped plans no more."""

Wake = Callable[[float], None]
"""Told in how many seconds a delivery of this worker is due again."""


class Settler:
    """Commits, postpones, buries or hands back; says in the log which it was."""

    def __init__(
        self,
        calls: Calls,
        gatherer: Gatherer,
        wake: Wake,
        circuits: Circuits,
        rouser: Rouser,
        *,
        max_payload_bytes: int,
    ) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._calls = calls
        self._gatherer = gatherer
        self._wake = wake
        self._circuits = circuits
        self._rouser = rouser
        self._chance = random.Random()  # noqa: S311 - jitter, not secrets
        self._log = get_logger()

    def judge(self, lease: Lease, error: BaseException) -> Outcome:
        """Say what follows from a handler's error."""
        handler = lease.delivery.handler
        return judge(
            error,
            failures=lease.failures,
            retry=handler.retry,
            chance=self._chance,
            breaker=handler.guards.breaker,
        )

    async def settle(self, lease: Lease, outcome: Outcome, spent_ms: int) -> Ending:
        """Write the outcome; a commit that cannot be written is a failure of the step.

        Returns how the attempt ended, which the server may have seen otherwise than we did.
        """
        try:
            return await self._write(lease, outcome, spent_ms)
        except (PermanentError, ScriptFailed) as error:
            return await self._write(lease, self.judge(lease, error), spent_ms)

    async def _write(self, lease: Lease, outcome: Outcome, ms: int) -> Ending:
        match outcome:
            case Done():
                return await self._commit(lease, outcome, ms)
            case Retrying():
                return await self._postpone(lease, outcome, ms)
            case Dead():
                return await self._bury(lease, outcome, ms)
            case Deferred():
                return await self._defer(lease, outcome, ms)
            case Released():
                return await self._release(lease, ms)
            case Abandoned():
                self._log.warning("delivery.refused", duration_ms=ms, reason="the lease was lost")
                return "abandoned"
            case _:
                assert_never(outcome)

    async def _postpone(self, lease: Lease, again: Retrying, ms: int) -> Ending:
        delay_ms = milliseconds(again.delay)
        call = self._calls.postpone(
            lease, ms, delay_ms=delay_ms, error=again.error, ended=again.ended
        )
        done = await self._run(call, lease.delivery, again.ended, again.cause)
        if done is None:
            return "abandoned"
        due_ms = int(done.detail[0]) if done.detail else _from_now(delay_ms)
        self._wake(again.delay.total_seconds())
        self._log.warning("delivery.retried", duration_ms=ms, error=again.error, due_ms=due_ms)
        return "retrying"

    async def _defer(self, lease: Lease, held: Deferred, ms: int) -> Ending:
        done = await self._run(self._calls.defer(lease, ms, held), lease.delivery, "cancelled")
        if done is None:
            return "abandoned"
        self._wake(held.delay.total_seconds())
        decided(held.guard, "held")
        self._log.info(
            "delivery.held",
            duration_ms=ms,
            guard=held.guard,
            name=held.name,
            limit=held.limit,
            value=held.value,
            error=held.error,
            due_ms=int(done.detail[0]) if done.detail else _from_now(milliseconds(held.delay)),
        )
        return "deferred"

    async def _release(self, lease: Lease, ms: int) -> Ending:
        done = await self._run(self._calls.release(lease, ms), lease.delivery, "cancelled")
        if done is None:
            return "abandoned"
        due_ms = int(done.detail[0]) if done.detail else _from_now(0)
        self._log.info("delivery.released", duration_ms=ms, due_ms=due_ms)
        return "released"

    async def _commit(self, lease: Lease, done: Done, ms: int) -> Ending:
        delivery = lease.delivery
        outgoing = list(outgoings(delivery, done))
        for out in outgoing:
            if len(out.data) > self._max_payload_bytes:
                return await self._write(lease, Dead(describe(self._too_large(out))), ms)
        call = self._calls.commit(lease, ms, outgoing, undo_plan(lease, done, outgoing))
        settled = await self._run(call, delivery, "success")
        if settled is None:
            return "abandoned"
        # The answer to a repetition does not name the entries; the events are the same.
        entries = settled.detail or ("",) * len(outgoing)
        places = list(zip(outgoing, entries, strict=False))
        said = _published((out, entry) for out, entry in places if out.how == "")
        undo = {"undo": True} if delivery.undo else {}
        self._log.info("delivery.completed", duration_ms=ms, published=said, **undo)
        for out, entry in places:
            self._say_outgoing(delivery, out, entry)
        say_closed(settled.closing, delivery.envelope.correlation_id, self._log)
        return "completed"

    def _say_outgoing(self, delivery: Delivery, out: Outgoing, entry: str) -> None:
        """Say what is published later, and which recovery was started."""
        e = out.envelope
        if entry == _DROPPED:
            self._log.warning(
                "event.dropped",
                event_id=e.id,
                event_type=e.type,
                subject=e.subject,
                causation_id=delivery.envelope.id,
            )
        elif isinstance(out.how, int):
            self._log.info(
                "event.scheduled",
                event_id=e.id,
                event_type=e.type,
                subject=e.subject,
                causation_id=delivery.envelope.id,
                due_ms=_from_now(out.how),
            )
        elif out.how == "child":
            published(e.type)
            self._log.info(
                "child.started",
                child=e.id,
                child_type=e.type,
                child_subject=e.subject,
                child_entry=entry,
            )

    async def _bury(self, lease: Lease, dead: Dead, ms: int) -> Ending:
        events = answers_for(lease, dead.error, self._max_payload_bytes)
        call = self._calls.bury(lease, ms, dead.error, dead.ended, events)
        done = await self._run(call, lease.delivery, dead.ended, dead.cause)
        if done is None:
            return "abandoned"
        letter, places = (done.detail[0], done.detail[1:]) if done.detail else (None, None)
        if places is None:  # the answer to a repetition: what is sure to be published was
            written = [(out, "") for out in events if out.how == ""]
        else:
            written = [(out, e) for out, e in zip(events, places, strict=False) if e]
        self._log.error(
            "delivery.died",
            duration_ms=ms,
            error=dead.error,
            dead_entry=letter,
            published=_published(written),
        )
        say_closed(done.closing, lease.delivery.envelope.correlation_id, self._log)
        return "died"

    def _too_large(self, out: Outgoing) -> PermanentError:
        return PermanentError(
            f"it returned {out.envelope.type} with {len(out.data):,} bytes of data, and "
            f"{self._max_payload_bytes:,} are allowed"
        )

    async def _run(
        self, call: Call, d: Delivery, ended: Ended, cause: BaseException | None = None
    ) -> Committed | None:
        reply = settlement(await self._gatherer.run(call))
        if isinstance(reply, Committed):
            if d.circuit and (breaker := d.handler.guards.breaker) is not None:
                await self._circuits.after(breaker, d.circuit, reply.change, ended, cause)
            if reply.heir:
                await self._rouser.attempt(self._rouser.rouse(reply.heir))
            if reply.prompt:
                self._wake(0.0)
            return reply
        self._log.warning("delivery.refused", reason="the lease was lost before the commit")
        return None


def _from_now(delay_ms: int) -> int:
    """An instant, by this machine's clock: the answer to a repetition does not tell it."""
    return int(time.time() * 1000) + delay_ms


def _published(places: Iterable[tuple[Outgoing, str]]) -> list[dict[str, str]]:
    """Count events that were written to these entries, and list them for the log."""
    listed = []
    for out, entry in places:
        e = out.envelope
        published(e.type)
        listed.append({"id": e.id, "type": e.type, "subject": e.subject, "entry": entry})
    return listed

"""Chimes: the timers of a cell, each fired by one script, once, whoever notices that it is due.

A timer is named by its kind, what it is for, and its recovery. Everything it needs is in the
recovery's plan; a timer whose plan is gone was fired by another worker.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from antiphon.broker.calls import event_keys
from antiphon.broker.clock import now_ms
from antiphon.broker.faults import ScriptFailed
from antiphon.broker.gather import Gatherer
from antiphon.broker.scripts import Argument, Call, script
from antiphon.closing import Closing, say_closed
from antiphon.duration import milliseconds
from antiphon.flow.undoing import UNDO
from antiphon.keys import Keys
from antiphon.settings import Settings
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.metrics import duty_failed, published
from antiphon.telling import Told, say_told
from antiphon_events import ChildClosed, JoinTimedOut, RecoveryStalled

_AT_ONCE = 100
_AGAIN_SECONDS = 30
"""When a timer that could not be fired is tried again; until then it is in nobody's way."""
_NAMED = 20
"""How much of what is outstanding is named at a deadline."""


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer, by its name in the cell."""

    raw: str
    kind: str
    """``deadline``, ``join``, ``later``, ``undo`` or ``child``."""
    name: str
    correlation_id: str

    @classmethod
    def read(cls, raw: bytes) -> Timer:
        """Read a timer's name."""
        kind, name, correlation_id = orjson.loads(raw)
        return cls(raw.decode(), kind, name, correlation_id)


class Chimes:
    """Fires what is due."""

    def __init__(self, client: Redis, gatherer: Gatherer, keys: Keys, settings: Settings) -> None:
        self._client = cast("Any", client)  # redis-py types replies as all they might ever be
        self._gatherer = gatherer
        self._keys = keys
        self._retention_ms = milliseconds(settings.record_retention)
        self._fire: dict[str, Callable[[Timer], Coroutine[Any, Any, bool]]] = {
            "deadline": self._stall,
            "join": self._time_out,
            "later": self._publish,
            "undo": self._undo,
            "child": self._tell_parent,
        }
        self._log = get_logger()

    async def ring(self) -> bool:
        """Fire every timer that is due; one that cannot be fired keeps no other from it.

        Returns whether more may be due at once: a page was full, or one led to another.

        Raises:
            StreamUnavailable: the server cannot be reached.
        """
        raw = await self._gatherer.run(Call(script("rung"), (self._keys.timers,), (_AT_ONCE,)))
        more = len(raw) == _AT_ONCE
        for name in raw:
            more = await self._ring(name) or more
        return more

    async def _ring(self, name: bytes) -> bool:
        """Fire one; one that cannot be fired, or is of a later release, is in nobody's way."""
        try:
            timer = Timer.read(name)
            return await self._fire[timer.kind](timer)
        except (ScriptFailed, LookupError, TypeError, ValueError) as error:
            what = name.decode("utf-8", "replace")
            self._log.warning("duty.failed", duty="timers", error=f"{what}: {error}")
            duty_failed("timers")
            again_ms = await now_ms(self._client) + _AGAIN_SECONDS * 1000
            await self._client.zadd(self._keys.timers, {name: again_ms}, xx=True)
            return False

    async def _publish(self, timer: Timer) -> bool:
        plan = await self._planned(timer, f"later:{timer.name}")
        if plan is None:
            return await self._lapse(timer, f"later|{timer.name}|", f"later:{timer.name}")
        kind, subject = plan["type"], plan["subject"]
        reply = await self._gatherer.run(
            Call(
                script("later"),
                (*self._record(timer, subject), *event_keys(self._keys, kind, subject)),
                (
                    *self._identity(timer, f"later|{timer.name}|{kind}", f"later:{timer.name}"),
                    kind,
                    subject,
                    timer.name,
                    int(plan["failure"]),
                    plan["cause"],
                    plan["by"],
                    *plan["fields"],
                ),
            )
        )
        return self._say(
            timer, reply, "event.published", event_id=timer.name, event_type=kind, subject=subject,
            causation_id=plan["cause"], by=plan["by"],
        )  # fmt: skip

    async def _time_out(self, timer: Timer) -> bool:
        keys, subject = self._keys, await self._subject(timer.correlation_id)
        call = Call(
            script("timeout"),
            (
                *self._record(timer, subject),
                *event_keys(keys, JoinTimedOut.type, subject),
                keys.join(timer.name, timer.correlation_id),
            ),
            (
                *self._identity(timer, f"join|{timer.name}|{timer.name}", f"join:{timer.name}"),
                timer.name,
                subject,
            ),
        )
        reply = await self._gatherer.run(call)
        if reply[0] != 1:
            return False
        return self._say(
            timer, reply, "join.timed_out", group=timer.name, missing=reply[2].decode().split(","),
            have=reply[3], need=reply[4],
        )  # fmt: skip

    async def _stall(self, timer: Timer) -> bool:
        reply = await self._gatherer.run(
            Call(
                script("stall"),
                (*self._record(timer, ""), self._keys.events(RecoveryStalled.type)),
                (*self._identity(timer, "", ""), _NAMED),
            )
        )
        if reply[0] != 1:
            return False
        _, _, named, deadline_ms, count, why = reply
        more = self._say(
            timer, reply, "recovery.stalled", outstanding=named.decode().split(","),
            deadline_ms=int(deadline_ms),
        )  # fmt: skip
        reason = why.decode("utf-8", "replace")
        told = Told(guard="deadline", name="recovery", limit=0, value=count, why=reason)
        say_told(told, self._log.bind(correlation_id=timer.correlation_id))
        return more

    async def _undo(self, timer: Timer) -> bool:
        plan = await self._planned(timer, f"undo:{timer.name}")
        if plan is None:
            return await self._lapse(timer, f"undo|{timer.name}|", f"undo:{timer.name}")
        keys, group = self._keys, plan["group"]
        reply = await self._gatherer.run(
            Call(
                script("undo"),
                (
                    *self._record(timer, plan["subject"]),
                    keys.inbox(group),
                    keys.due(group),
                    keys.groups,
                ),
                (
                    *self._identity(timer, f"undo|{timer.name}|", f"undo:{timer.name}"),
                    group,
                    plan["id"],
                    plan["of"],
                    plan["type"],
                    plan["subject"],
                    timer.name,
                    *_undo_fields(plan),
                ),
            )
        )
        return self._say(
            timer, reply, "recovery.undoing", group=group, event_id=plan["id"], of=plan["of"],
            event_type=plan["type"], subject=plan["subject"], number=int(timer.name),
        )  # fmt: skip

    async def _tell_parent(self, timer: Timer) -> bool:
        keys, parent, child = self._keys, timer.name, timer.correlation_id
        row = await self._client.hmget(keys.recovery(child), "subject", "type", "verdict")
        subject, kind, verdict = (value.decode() if value else "" for value in row)
        # The child is no more than a word in the record of its parent.
        reply = await self._gatherer.run(
            Call(
                script("child"),
                (
                    *keys.record(parent, subject),
                    *event_keys(keys, ChildClosed.type, subject),
                    keys.recovery(child),
                ),
                (
                    parent,
                    self._retention_ms,
                    timer.raw,
                    f"child|{child}|{kind}",
                    f"child:{child}",
                    child,
                    subject,
                    kind,
                ),
            )
        )
        told = Timer(timer.raw, timer.kind, timer.name, parent)
        return self._say(told, reply, "child.closed", child=child, verdict=verdict)

    def _say(self, timer: Timer, reply: list[Any], event: str, **what: Any) -> bool:
        """Say what was fired; returns whether another timer is due at once."""
        if reply[0] != 1:
            return False
        log = self._log.bind(correlation_id=timer.correlation_id)
        say = log.info if event in _USUAL else log.warning
        say(event, **what)
        if event == "event.published":
            published(what["event_type"])
        say_closed(Closing.read(reply[1]), timer.correlation_id, log)
        return bool(reply[1].endswith(b"+"))

    def _record(self, timer: Timer, subject: str) -> tuple[str, ...]:
        return self._keys.record(timer.correlation_id, subject)

    def _identity(self, timer: Timer, owed: str, field: str) -> tuple[Argument, ...]:
        """What `ring.lua` reads, after the record."""
        return (timer.correlation_id, self._retention_ms, timer.raw, owed, field)

    async def _planned(self, timer: Timer, field: str) -> Any:
        kept = await self._client.hget(self._keys.plan(timer.correlation_id), field)
        return None if kept is None else orjson.loads(kept)

    async def _lapse(self, timer: Timer, owed: str, field: str) -> bool:
        """Let a timer go that has nothing to fire: its plan was lost, or somebody fired it."""
        call = Call(script("lapse"), self._record(timer, ""), self._identity(timer, owed, field))
        return self._say(timer, await self._gatherer.run(call), "timer.lapsed", kind=timer.kind)

    async def _subject(self, correlation_id: str) -> str:
        known = await self._client.hget(self._keys.recovery(correlation_id), "subject")
        return known.decode() if known else "-"


_USUAL = frozenset({"event.published", "child.closed"})


def _undo_fields(plan: dict[str, Any]) -> list[str | bytes]:
    """The inbox entry of an undoing: the event the step had reacted to, under an id of its own."""
    fields: list[str | bytes] = list(plan["fields"])
    given = dict(zip(fields[::2], fields[1::2], strict=True))
    given["causationid"], given["id"] = given["id"], plan["id"]
    given[UNDO.decode()] = orjson.dumps(plan["step"])
    return [part for pair in given.items() for part in pair]

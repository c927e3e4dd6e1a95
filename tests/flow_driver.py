"""A cell whose recoveries have a flow, and its model: every step is done to both."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import orjson

from antiphon.broker.asks import approval_id
from antiphon.broker.calls import Outgoing, is_failure
from antiphon.broker.chimes import Chimes
from antiphon.delivery import Delivery
from antiphon.errors import AntiphonError
from antiphon.outgoing import answers_for
from antiphon_events import ChildClosed, Event, JoinTimedOut
from flow_model import FlowModel
from flow_recovery_model import Timer
from flowing import FlowCell, children
from quiescence_driver import Driver
from quiescence_model import UNHEARD, Brought, Grip, Member, Written
from scripted import Sent

_PLANNED = {"later", "join", "undo", "child"}
PEOPLE = ("ana", "ben", "cleo", "redis")
"""Who answers; the last of them is who asked for most recoveries."""


class FlowDriver(Driver):
    """Does what timers and people do, beside publishers and workers."""

    model: FlowModel
    work: FlowCell

    def __init__(self, work: FlowCell) -> None:
        super().__init__(work, FlowModel())
        self._second = Chimes(work.client, work.gatherer, work.keys, work.settings)
        self._asked: dict[str, Delivery] = {}
        self._undos = itertools.count()

    # What there is to do

    def to_skip(self) -> list[Member]:
        """A delivery that waits for people is not declined."""
        return [m for m in super().to_skip() if "|".join(m) not in self.model.approvals]

    def unwanted(self) -> list[Member]:
        """Of what may be passed over, what its handler has never wanted."""
        return [m for m in self.to_skip() if not self.held[m].wanted]

    def to_answer(self) -> list[str]:
        """Requests for approval, most of all those that wait."""
        asked = self.model.approvals
        return [n for n, a in asked.items() if a.state == "pending"] * 3 + list(asked)

    def known(self) -> list[str]:
        return list(self.model.flows)

    # Workers

    async def admit(self, member: Member, *, twice: bool = False) -> None:
        self._asked["|".join(member)] = self.held[member]
        grips = len(self.grips)
        await super().admit(member, twice=twice)
        if self.grips[grips:] and self.held[member].handler.join:
            await self._note_the_race(self.held[member].envelope.correlation_id)

    async def _note_the_race(self, cid: str) -> None:
        """Learn when a join fired: only the server knows."""
        recovery = self.model.flows[cid]
        for place, (by, _) in recovery.outrun.items():
            kept = await self.work.client.hget(self.work.keys.recovery(cid), f"outrun:{place}")
            group, at_ms = kept.decode().split("|")
            assert group == by
            recovery.outrun[place] = (by, int(at_ms))

    async def finish(
        self,
        grip: Grip,
        answers: Sequence[Event] = (),
        later: Sequence[Event] = (),
        starts: Sequence[Event] = (),
        *,
        twice: bool = False,
    ) -> None:
        """Commit with events for now, for later, and for recoveries of their own."""
        out = self.work.outgoing(grip.lease, *answers, later=later, starts=children(*starts))
        call = self.work.finishing(grip.lease, out, by=grip.consumer)
        reply = await self._settle(grip, call, twice=twice)
        if reply is not None:
            assert reply.verdict == self.model.finish(grip, self._brought(out, reply.detail))

    async def commit(self, grip: Grip, answers: Sequence[Event], *, twice: bool = False) -> None:
        await self.finish(grip, answers, twice=twice)

    async def bury(self, grip: Grip, *, twice: bool) -> None:
        out = answers_for(grip.lease, "Broken", 262_144)
        call = self.work.calls(grip.consumer).bury(grip.lease, 7, "Broken", events=out)
        reply = await self._settle(grip, call, twice=twice)
        if reply is None:
            return
        letter, *entries = reply.detail
        self.letters.append((letter, grip.delivery))
        brought = self._brought(out, entries)
        heard = [self.model.subscribers(b.event) for b in self._brought(out, [""] * len(out))]
        assert [bool(e) for e in entries] == [
            o.how == "" or bool(h) for o, h in zip(out, heard, strict=True)
        ]
        answered = any(o.how == "" and (o.failure or h) for o, h in zip(out, heard, strict=True))
        verdict = self.model.give_up_on(
            grip, [b for b in brought if b.event.entry_id], answered=answered
        )
        assert reply.verdict == verdict

    def _brought(self, out: Sequence[Outgoing], entries: Sequence[str]) -> list[Brought]:
        found = []
        for one, entry_id in zip(out, entries, strict=True):
            e, child = one.envelope, one.how == "child"
            if child:
                self._sent[e.id] = Sent(e, entry_id, written=True)
            event = Written(
                e.type, e.subject, entry_id, e.correlation_id, is_failure(e.type), not child
            )
            how = "later" if isinstance(one.how, int) else "child" if child else "now"
            found.append(Brought(e.id, event, how))
        return found

    # Timers

    async def hasten(self, timer: Timer) -> None:
        raw = await self._raw(timer)
        await self.work.client.zadd(self.work.keys.timers, {raw: 0})
        self.model.timers[timer] = True

    async def _raw(self, timer: Timer) -> bytes:
        found: list[bytes] = await self.work.client.zrange(self.work.keys.timers, 0, -1)
        (raw,) = [raw for raw in found if tuple(orjson.loads(raw)) == timer]
        return raw

    async def ring(self, *, two: bool = False) -> None:
        """Let one worker, or two at once, fire what is due."""
        raw = await self.work.client.zrange(
            self.work.keys.timers, "-inf", 2**52, byscore=True, withscores=True
        )
        now_ms = int((await self.work.client.time())[0] + 1) * 1000
        due: list[Timer] = [tuple(orjson.loads(t)) for t, score in raw if score <= now_ms]
        assert set(due) == {timer for timer, come in self.model.timers.items() if come}
        clocks = [self.work.chimes, self._second] if two else [self.work.chimes]
        await asyncio.gather(*(chimes.ring() for chimes in clocks))
        for timer in due:
            if not self.model.timers.get(timer):
                continue  # one before it has ended its recovery
            event_id = self.model.will_fire(timer)
            self.model.fire(timer, await self._entry(timer, event_id) if event_id else "")

    async def _entry(self, timer: Timer, event_id: str) -> str:
        """Find the one entry that a timer has written."""
        kind, name, cid = timer
        recovery, keys = self.model.flows[cid], self.work.keys
        match kind:
            case "later":
                stream = keys.events(recovery.later[name].type)
            case "join":
                stream = keys.events(JoinTimedOut.type)
            case "child":
                stream = keys.events(ChildClosed.type)
            case _:
                stream = keys.inbox(recovery.undos[-1][0])
        found: list[str] = [
            entry_id.decode()
            for entry_id, fields in await self.work.client.xrange(stream)
            if fields.get(b"id") == event_id.encode()
        ]
        assert len(found) == 1, f"{timer} was fired {len(found)} times"
        return found[0]

    # People

    async def cancel(self, cid: str) -> None:
        expected: Any
        try:
            done = await self.work.cancel(cid)
            expected = (done.children, done.dropped, done.verdict)
            assert done.repeated == self.model.flows[cid].cancelled
        except AntiphonError:
            assert not self.model.flows[cid].open
            expected = None
        assert expected == self.model.cancel(cid)

    async def answer(self, name: str, by: str, *, grant: bool) -> None:
        d = self._asked[name]
        requester = (await self.work.request(d)).get("requester", "")
        expected = self.model.answer(d, by, grant=grant, requester=requester)
        try:
            state = (await self.work.vote(d, by, grant=grant)).state
        except AntiphonError:
            assert expected is None
        else:
            assert expected == state

    async def expire(self, name: str) -> None:
        """Let the time of a request be over."""
        asked = self.model.approvals[name]
        if asked.state != "pending" or asked.over is not False:
            return
        key = self.work.keys.approval(approval_id(self._asked[name]))
        await self.work.client.hset(key, "due", 1)
        asked.over = True

    # Duties

    async def audit(self) -> None:
        for cid, recovery in self.model.recoveries.items():
            for member in recovery.outstanding:
                if member[2] != UNHEARD and member[0] not in _PLANNED:
                    reply = await self.work.audit(self._sent[cid], "|".join(member))
                    assert reply == [0, b""], f"{member} was given up"

    async def drain(self) -> None:
        """Let everything happen that can; nothing may be left."""
        for round_ in itertools.count():
            assert round_ < 60, "it never ends"
            await super().drain()
            for cid, member in self.lost():
                await self.give_up(cid, member, fault=True)
            for timer in list(self.model.timers):
                await self.hasten(timer)
            if not self.model.timers and not self.unread() and not self.model.pending:
                break
            await self.ring()
        assert not any(r.outstanding for r in self.model.flows.values())
        assert not await self.work.client.exists(self.work.keys.timers)
        assert not await self.work.client.exists(self.work.keys.approvals)
        assert not await self.work.client.exists(self.work.keys.held)

    async def _finish(self, member: Member) -> None:
        name, d = "|".join(member), self.held[member]
        if d.undo and next(self._undos) % 4 == 3:
            grips = len(self.grips)
            await self.admit(member)
            for grip in self.grips[grips:]:
                await self.bury(grip, twice=False)
            return
        await super()._finish(member)
        if (asked := self.model.approvals.get(name)) and asked.state == "pending":
            for by in PEOPLE:
                await self.answer(name, by, grant=True)

    def lost(self) -> list[tuple[str, Member]]:
        """What nobody came to hear, children among them."""
        children = [
            (cid, member)
            for cid, recovery in self.model.flows.items()
            for member in recovery.outstanding
            if member[0] == "child" and member[1] not in self.model.flows
        ]
        return self.unheard() + children

    # Comparison

    async def compare(self) -> None:
        await super().compare()
        flows, keys = self.model.flows, self.work.keys
        async with self.work.client.pipeline(transaction=True) as pipe:
            pipe.zrange(keys.timers, 0, -1)
            pipe.zrange(keys.approvals, 0, -1)
            pipe.hkeys(keys.held)
            for cid in flows:
                pipe.hmget(keys.recovery(cid), _FIELDS)
                pipe.hkeys(keys.plan(cid))
            timers, asked, held, *rows = await pipe.execute()
        assert {tuple(orjson.loads(t)) for t in timers} == set(self.model.timers)
        pending = {n for n, a in self.model.approvals.items() if a.state == "pending"}
        assert {a.decode() for a in asked} == {approval_id(self._asked[name]) for name in pending}
        assert {name.decode() for name in held} == self.model.on_hold
        for recovery, row, plan in zip(flows.values(), rows[::2], rows[1::2], strict=True):
            *counters, undoing, cancelled, stalled = row
            assert [int(counter or 0) for counter in counters] == [
                recovery.suppressed,
                recovery.undone,
                len(recovery.taken_back),
                recovery.notundone,
                len(recovery.undos),
            ]
            assert (undoing or b"").decode() == recovery.undoing
            assert (cancelled is not None) == recovery.cancelled
            assert (stalled is not None) == recovery.stalled
            planned = {name.decode() for name in plan}
            assert planned == self.model.planned(recovery), recovery.cid


_FIELDS = ("suppressed", "undone", "taken", "notundone", "undos", "undoing", "cancelled", "stalled")

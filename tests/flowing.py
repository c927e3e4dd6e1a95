"""A cell whose recoveries wait, branch, have children and are undone, worked script by script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import orjson

from antiphon import Settings
from antiphon.broker.approvals import Answer, Approvals
from antiphon.broker.asks import approval_id
from antiphon.broker.calls import Lease, Outgoing, event_keys
from antiphon.broker.cancelling import Cancelled, Cancelling
from antiphon.broker.chimes import Chimes
from antiphon.broker.errand import Errand
from antiphon.broker.replies import Settlement, settlement
from antiphon.broker.scripts import Call, script
from antiphon.broker.session import Session
from antiphon.delivery import Delivery
from antiphon.outcome import Done
from antiphon.outgoing import answers_for, outgoings, undo_plan
from antiphon_events import Event, uuid7
from scripted import ALICE, ScriptedCell, Sent

HOUR = timedelta(hours=1)


def children(*events: Event) -> tuple[tuple[str, Event], ...]:
    """First events of recoveries to be started, each with an id of its own."""
    return tuple((uuid7(), event) for event in events)


async def undone(event: Event) -> None:
    """Stand for the function that takes a step back; it is never called."""
    raise AssertionError(event)


class FlowCell(ScriptedCell):
    """Does what a worker does of the flow, one call at a time."""

    def __init__(self, errand: Errand) -> None:
        super().__init__(errand)
        self.chimes = Chimes(errand.client, errand.gatherer, errand.keys, errand.settings)
        self.approvals = Approvals(errand)
        self._cancelling = Cancelling(errand)

    # Settling, with all that a step may bring

    def outgoing(
        self,
        lease: Lease,
        *events: Event,
        later: Sequence[Event] = (),
        starts: Sequence[tuple[str, Event]] = (),
    ) -> list[Outgoing]:
        done = Done(events, tuple((e, HOUR) for e in later), tuple(starts))
        return list(outgoings(lease.delivery, done))

    def finishing(
        self,
        lease: Lease,
        events: Sequence[Outgoing],
        *,
        branches: Mapping[str, bytes] | None = None,
        by: str = ALICE,
    ) -> Call:
        """A commit as the settler makes it."""
        kept = undo_plan(lease, Done(branches=branches or {}), events)
        return self.calls(by).commit(lease, 7, events, kept)

    async def finish(
        self,
        lease: Lease,
        *events: Event,
        later: Sequence[Event] = (),
        starts: Sequence[tuple[str, Event]] = (),
        by: str = ALICE,
    ) -> Settlement:
        out = self.outgoing(lease, *events, later=later, starts=starts)
        return settlement(await self.run(self.finishing(lease, out, by=by)))

    def burying(self, lease: Lease, *, by: str = ALICE) -> Call:
        """A burial as the settler makes it, with what answers for it."""
        error = "Broken: it broke"
        return self.calls(by).bury(lease, 7, error, events=answers_for(lease, error, 262_144))

    async def give_up(self, lease: Lease, *, by: str = ALICE) -> Settlement:
        return settlement(await self.run(self.burying(lease, by=by)))

    # Timers

    async def timers(self) -> set[tuple[str, str, str]]:
        """Kind, name and recovery of every timer of the cell."""
        raw = await self.client.zrange(self.keys.timers, 0, -1)
        return {tuple(orjson.loads(timer)) for timer in raw}

    async def hasten(self, *kinds: str) -> None:
        """Let the timers of these kinds be due; of every kind, unless one is named."""
        for raw in await self.client.zrange(self.keys.timers, 0, -1):
            if not kinds or orjson.loads(raw)[0] in kinds:
                await self.client.zadd(self.keys.timers, {raw: 0})

    async def ring(self, *kinds: str) -> bool:
        """Let time pass, and fire what is due."""
        await self.hasten(*kinds)
        return await self.chimes.ring()

    async def ring_out(self) -> None:
        """Fire what is due, and what follows at once."""
        while await self.chimes.ring():
            pass

    def firing(self, sent: Sent, name: str) -> Call:
        """The call that publishes a delayed `DatabaseRestored` of a recovery."""
        keys, kind, cid = self.keys, "database.restored", sent.correlation_id
        timer = orjson.dumps(["later", name, cid]).decode()
        return Call(
            script("later"),
            (*keys.record(cid, "orders-db"), *event_keys(keys, kind, "orders-db")),
            (
                *self._identity(cid), timer, f"later|{name}|{kind}", f"later:{name}",
                kind, "orders-db", name, 0, "", "", "id", name,
            ),
        )  # fmt: skip

    async def plan(self, correlation_id: str) -> set[str]:
        """Names what a recovery has planned."""
        fields = await self.client.hkeys(self.keys.plan(correlation_id))
        return {name.decode() for name in fields}

    # People

    async def cancel(self, correlation_id: str, *, by: str = "ada") -> Cancelled:
        return await self._cancelling.cancel(correlation_id, by=by, reason="a drill")

    async def vote(self, d: Delivery, by: str, *, grant: bool) -> Answer:
        return await self.approvals.answer(approval_id(d), by=by, grant=grant, reason="seen it")

    async def asked(self) -> set[str]:
        """The ids of what waits for an answer."""
        raw = await self.client.zrange(self.keys.approvals, 0, -1)
        return {one.decode() for one in raw}

    async def request(self, d: Delivery) -> dict[str, str]:
        row: Any = await self.client.hgetall(self.keys.approval(approval_id(d)))
        return {name.decode(): value.decode() for name, value in row.items()}


class _Always:
    """What a duty needs of a session, when it is always its turn and all has lasted long."""

    def __init__(self, flow: FlowCell, settings: Settings) -> None:
        self.client, self.keys, self.gatherer = flow.client, flow.keys, flow.gatherer
        self.settings = settings

    async def takes_turn(self, *_: object) -> bool:
        return True

    async def now_ms(self) -> int:
        return 2**52


def turns(flow: FlowCell, settings: Settings) -> Session:
    """A session for a duty that is to look at everything now."""
    return cast("Session", _Always(flow, settings))

"""What the rate limits of admit.lua promise: an exact sliding window, and a slot for all who wait.

Instants are those the server wrote down: the scores of the limiter's log.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from antiphon.broker.replies import OnHold, Run, admission
from antiphon.delivery import Delivery
from antiphon.handler import Handler
from antiphon_events import ServiceFailed
from guarded import GuardedCell
from machines import REPLICAS, CellMachine, pick_of, run_machine
from scripted import ALICE, BOB, handler
from support import until

N, WINDOW_MS, MINUTE_MS = 5, 100, 60_000
REACT = handler(ServiceFailed, rate=f"{N}/{WINDOW_MS}ms")
MINUTELY = handler(ServiceFailed, rate="1/1m")
LOG = "handler:orders.react"


def failures(count: int) -> list[ServiceFailed]:
    return [ServiceFailed(subject="a") for _ in range(count)]


def crowded(instants: list[int], limit: int, window_ms: int) -> list[tuple[int, int]]:
    """Where more than `limit` uses lie within a window: the first and the last of so many."""
    ordered = sorted(instants)
    return [(a, b) for a, b in zip(ordered, ordered[limit:], strict=False) if b - a < window_ms]


@dataclass
class Load:
    """Twenty consumers that take up whatever is there, each on a connection of its own."""

    work: GuardedCell
    h: Handler
    limits: dict[str, int]
    """How many uses each limiter allows, by its name."""
    instants: dict[str, dict[str, int]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    ran: list[str] = field(default_factory=list)
    in_vain: list[OnHold] = field(default_factory=list)
    """Refusals although there was room for it and for all before it."""

    async def run(self, total: int) -> None:
        self.instants = {name: {} for name in self.limits}

        async def consume(consumer: str) -> None:
            async def done() -> bool:
                fresh = await self.work.read(self.h, consumer, count=1)
                for d in fresh or await self.work.due(self.h, consumer):
                    await self._ask(d, consumer)
                return len(self.ran) >= total

            await until(done)

        await asyncio.gather(*(consume(f"c{number}") for number in range(20)))

    async def _ask(self, d: Delivery, consumer: str) -> None:
        work, keys, names = self.work, self.work.keys, list(self.limits)
        logs = [keys.guard("rate", name) for name in names]
        queues = [keys.queue("rate", name) for name in names]
        call = work.calls(consumer).admit(d, work.owner(consumer), b"")
        seen = await work.observed(call, *logs, *queues)
        reply, _ = admission(seen.reply)
        self.asked[d.entry_id] += 1
        if isinstance(reply, Run):
            self.ran.append(d.entry_id)
            for name, log in zip(names, seen.after, strict=False):
                self.instants[name][str(reply.token)] = log[str(reply.token)]
            return
        assert isinstance(reply, OnHold)
        place = names.index(reply.name)
        log, queue = seen.before[place], seen.before[place + len(names)]
        mine = queue.pop(d.name, None)
        used = sum(at > seen.instants[0] - WINDOW_MS for at in log.values())
        ahead = sum(mine is None or at <= mine for at in queue.values())
        if used + ahead < self.limits[reply.name]:
            self.in_vain.append(reply)


async def test_a_window_never_holds_more_than_the_limit(guarded: GuardedCell) -> None:
    """Wherever a window is laid, so many began in it and no more; few had to ask again for that."""
    await guarded.deploy(REACT)
    for event in failures(60):
        await guarded.publish(event)
    load = Load(guarded, REACT, {LOG: N})
    await load.run(60)
    instants = list(load.instants[LOG].values())
    assert len(instants) == len(set(load.ran)) == 60
    assert not crowded(instants, N, WINDOW_MS)
    assert not load.in_vain
    assert sum(load.asked.values()) <= 60 * 12, "they poll instead of coming for their slots"


async def test_several_limiters_hold_at_once(guarded: GuardedCell) -> None:
    """A handler's, its service's and the cell's limit are each kept, and shared by who shares."""
    work = guarded.with_settings(services={"orders": {"rate": "4/100ms"}}, rate="6/150ms")
    other = handler(ServiceFailed, name="orders.other")
    await work.deploy(REACT, other)
    for event in failures(20):
        await work.publish(event)
    shared = {"service:orders": 4, "cell": 6}
    loads = Load(work, REACT, {LOG: N, **shared}), Load(work, other, shared)
    await asyncio.gather(*(load.run(20) for load in loads))
    for name, limit, window_ms in ((LOG, N, 100), ("service:orders", 4, 100), ("cell", 6, 150)):
        instants = [at for load in loads for at in load.instants.get(name, {}).values()]
        assert len(instants) == (20 if name == LOG else 40)
        assert not crowded(instants, limit, window_ms), name


@pytest.mark.usefixtures("clock")
async def test_a_late_one_keeps_its_place(guarded: GuardedCell) -> None:
    """Who comes late for its slot is promised the next one, and nobody behind it takes that."""
    await guarded.deploy(MINUTELY)
    a, b, c, d = await guarded.delivered(MINUTELY, *failures(4))
    await guarded.passes(0)
    began = guarded.now_ms
    await guarded.runs(a)
    promised = [(await guarded.waits(x)).due_ms - began for x in (b, c, d)]
    assert promised == [60_000, 120_000, 180_000]
    await guarded.at(began + 130_000)
    await guarded.runs(b)
    held = await guarded.waits(c)
    assert held.due_ms == began + 190_000
    await guarded.at(began + 180_000)
    await guarded.waits(d)
    await guarded.at(began + 190_000)
    await guarded.waits(d)
    await guarded.runs(c)


@pytest.mark.usefixtures("clock")
async def test_a_slot_nobody_comes_for_is_given_away(guarded: GuardedCell) -> None:
    """A promised slot is kept for two seconds, and then for the next one who asks."""
    await guarded.deploy(MINUTELY)
    a, gone, late, later = await guarded.delivered(MINUTELY, *failures(4))
    await guarded.ask(a)
    await guarded.ask(gone)
    await guarded.passes(MINUTE_MS + 1_000)
    await guarded.waits(late)
    await guarded.passes(1_100)
    await guarded.waits(later)  # late was here before
    await guarded.passes(MINUTE_MS)
    await guarded.runs(late, BOB)


@pytest.mark.usefixtures("clock")
async def test_who_has_run_is_waited_for_no_longer(guarded: GuardedCell) -> None:
    """A slot that was taken is free again a window later, whoever took the delivery up."""
    await guarded.deploy(MINUTELY)
    a, b, c = await guarded.delivered(MINUTELY, *failures(3))
    await guarded.ask(a)
    await guarded.ask(b)
    await guarded.passes(MINUTE_MS)
    (due,) = await guarded.due(MINUTELY, ALICE)
    assert isinstance(await guarded.admit(due), Run)
    assert not await guarded.zset(guarded.keys.queue("rate", LOG))
    held = await guarded.waits(c)
    assert held.due_ms == guarded.now_ms + MINUTE_MS


class Rates(CellMachine):
    """Deliveries come, wait and go at instants drawn; limits change, and some come late."""

    def __init__(self) -> None:
        super().__init__()
        self.limit, self.exact = 2, True
        self.uses: list[int] = []
        self.promised: dict[str, int] = {}
        self.waiting: dict[str, Delivery] = {}
        self.asked: Counter[str] = Counter()
        self.arrived: list[str] = []
        self.do(self.work.deploy(self.handler))

    @property
    def handler(self) -> Handler:
        return handler(ServiceFailed, rate=f"{self.limit}/1m", max_age="off")

    def slot(self) -> int:
        """The slot that is free after all uses and promises: what the next one is promised."""
        taken = sorted([*self.uses, *self.promised.values()])
        full = [taken[-self.limit] + MINUTE_MS] if len(taken) >= self.limit else []
        return max([self.work.now_ms, *self.promised.values(), *full])

    def ask(self, d: Delivery, consumer: str, expected: int | None) -> None:
        d.handler = self.handler
        self.asked[d.name] += 1
        reply, _ = self.do(self.work.ask(d, consumer))
        now = self.work.now_ms
        recent = [at for at in self.uses if at > now - MINUTE_MS]
        if isinstance(reply, Run):
            assert len(recent) < self.limit
            if self.exact:
                assert expected == now
                ahead = self.arrived.index(d.name)
                assert len(recent) + ahead < self.limit, "it took the slot of another"
                assert self.asked[d.name] <= 2, "it asked in vain"
            self.uses.append(now)
            self.arrived.remove(d.name)
            self.promised.pop(d.name, None)
            self.waiting.pop(d.name, None)
            self.exact = self.exact or not self.waiting
            return
        assert isinstance(reply, OnHold)
        others = sum(name != d.name for name in self.promised)
        assert len(recent) + others >= self.limit
        if self.exact:
            assert reply.due_ms == expected
        self.promised[d.name], self.waiting[d.name] = reply.due_ms, d

    @rule(pick=st.integers(0, 4), count=st.integers(1, 4))
    def arrive(self, pick: int, count: int) -> None:
        for event in failures(count):
            (d,) = self.do(self.work.delivered(self.handler, event))
            self.arrived.append(d.name)
            self.ask(d, REPLICAS[pick], self.slot())

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 4))
    def come_in_time(self, pick: int) -> None:
        name = min(self.promised, key=lambda name: (self.promised[name], name))
        self.do(self.work.at(max(self.work.now_ms, self.promised[name])))
        self.ask(self.waiting[name], REPLICAS[pick], self.work.now_ms)

    @rule(ms=st.sampled_from([1, 10_000, 59_999, 60_000]))
    def time_passes(self, ms: int) -> None:
        due = min(self.promised.values(), default=self.work.now_ms + ms)
        self.do(self.work.at(min(self.work.now_ms + ms, max(due, self.work.now_ms))))

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 4), late_ms=st.sampled_from([1, 1_000, 90_000]))
    def come_late(self, pick: int, late_ms: int) -> None:
        name = pick_of(list(self.waiting), pick)
        self.exact = False
        self.do(self.work.at(max(self.work.now_ms, self.promised[name] + late_ms)))
        self.ask(self.waiting[name], REPLICAS[pick], None)

    @rule(limit=st.integers(1, 4))
    def another_limit_is_deployed(self, limit: int) -> None:
        self.exact = self.exact and (limit == self.limit or not self.waiting)
        self.limit = limit

    def teardown(self) -> None:
        """Everybody gets through, and soon."""
        while self.waiting:
            self.come_in_time(0)
        assert max(self.asked.values(), default=0) <= 20 + len(self.asked), self.asked
        super().teardown()


def test_promises_are_kept(redis_url: str) -> None:
    """Slots are distinct and in the order of arrival, and who comes for its slot gets it."""
    run_machine(Rates, redis_url, examples=25, steps=25)

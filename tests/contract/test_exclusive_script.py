"""What exclusive.lua promises: one holder at a time, in turn, and nobody blocks the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from antiphon.broker.calls import Lease
from antiphon.broker.replies import Committed, OnHold, Run, settlement
from antiphon.broker.scripts import Call
from antiphon.delivery import Delivery
from antiphon_events import ServiceFailed
from guarded import GuardedCell, committed
from machines import REPLICAS, CellMachine, pick_of, run_machine
from scripted import ALICE, BOB, handler

LEASE_MS, GRACE_MS = 30_000, 3_000
REACT = handler(ServiceFailed, exclusive=True, max_age="off")
OTHER = handler(ServiceFailed, name="billing.react", exclusive=True, max_age="off")
FAILED = ServiceFailed(subject="a")


@dataclass
class ResourceModel:
    """A resource in plain Python; time is handed in."""

    holder: str = ""
    until: int = 0
    """When the holder's lease ends; without a holder, when it was set free."""
    arrivals: dict[str, int] = field(default_factory=dict)

    @property
    def queue(self) -> list[str]:
        """Those who wait, in turn; of two that came the same instant, by name."""
        return sorted(self.arrivals, key=lambda name: (self.arrivals[name], name))

    def asks(self, who: str, now: int) -> int:
        """0 when `who` may have it now, or the instant to ask again."""
        if who == self.holder:
            return 0
        if self.holder and self.until > now:
            return self.until
        turn = self.queue and self.queue[0] != who
        return self.until + GRACE_MS if turn and now - self.until < GRACE_MS else 0

    def take(self, who: str, now: int) -> None:
        if who != self.holder and self.queue:
            place = self.queue.index(who) if who in self.queue else 0
            for name in self.queue[: place + 1]:
                del self.arrivals[name]
        self.holder, self.until = who, now + LEASE_MS

    def free(self, who: str, now: int) -> None:
        if who == self.holder:
            self.holder, self.until = "", now


class Resources(CellMachine):
    """Five replicas and two services want one resource."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ResourceModel()
        self.waiting: list[Delivery] = []
        self.running: list[tuple[Lease, str]] = []
        self.token = 0
        self.key = self.work.keys.guard("exclusive", "a")
        self.do(self.work.deploy(REACT, OTHER))

    @precondition(lambda self: len(self.waiting) < 5)
    @rule()
    def deliver(self) -> None:
        self.do(self.work.publish(FAILED))
        for h in (REACT, OTHER):
            self.waiting += self.do(self.work.read(h))

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 100), replica=st.sampled_from(REPLICAS))
    def ask(self, pick: int, replica: str) -> None:
        d, now = pick_of(self.waiting, pick), self.work.now_ms
        reply, lease = self.do(self.work.ask(d, replica))
        if again := self.model.asks(d.name, now):
            assert isinstance(reply, OnHold)
            assert (reply.guard, reply.name, reply.due_ms) == ("exclusive", "a", again)
            self.model.arrivals.setdefault(d.name, now)
            return
        assert isinstance(reply, Run)
        assert reply.token > self.token, "fencing tokens grow"
        self.token = reply.token
        self.model.take(d.name, now)
        self.waiting.remove(d)
        self.running.append((lease, replica))

    @precondition(lambda self: self.model.queue)
    @rule(replica=st.sampled_from(REPLICAS))
    def the_first_in_line_asks(self, replica: str) -> None:
        names = [d.name for d in self.waiting]
        if self.model.queue[0] in names:
            self.ask(names.index(self.model.queue[0]), replica)

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 100), end=st.sampled_from(["commit", "bury", "postpone", "release"]))
    def settle(self, pick: int, end: str) -> None:
        lease, replica = self.running.pop(pick % len(self.running))
        mine = self.model.holder == lease.delivery.name
        reply = settlement(self.do(self.work.run(self._settling(lease, replica, end))))
        assert isinstance(reply, Committed)
        self.model.free(lease.delivery.name, self.work.now_ms)
        assert reply.heir == (self.model.queue[0] if mine and self.model.queue else "")
        if end in {"postpone", "release"}:
            self.waiting.append(lease.delivery)

    def _settling(self, lease: Lease, replica: str, end: str) -> Call:
        calls = self.work.calls(replica)
        ways: dict[str, Callable[[], Call]] = {
            "commit": lambda: calls.commit(lease, 7, ()),
            "bury": lambda: calls.bury(lease, 7, "Broken"),
            "postpone": lambda: calls.postpone(lease, 7, delay_ms=0, error="Broken"),
            "release": lambda: calls.release(lease, 7),
        }
        return ways[end]()

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 100))
    def renew(self, pick: int) -> None:
        lease, replica = pick_of(self.running, pick)
        assert self.do(self.work.run(self.work.calls(replica).renew(lease))) == 1
        if self.model.holder == lease.delivery.name:
            self.model.until = self.work.now_ms + LEASE_MS

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 100))
    def die(self, pick: int) -> None:
        self.waiting.append(self.running.pop(pick % len(self.running))[0].delivery)

    @rule(ms=st.sampled_from([1, GRACE_MS - 1, GRACE_MS, LEASE_MS - 1, LEASE_MS]))
    def time_passes(self, ms: int) -> None:
        self.do(self.work.passes(ms))

    @invariant()
    def the_resource_is_as_the_model(self) -> None:
        row = self.do(self.work.hash(self.key))
        assert row.get("holder", "") == self.model.holder
        if self.model.holder:
            assert (int(row["until"]), int(row["token"])) == (self.model.until, self.token)
        queue = self.do(self.work.zset(self.work.keys.queue("exclusive", "a")))
        assert queue == self.model.arrivals


def test_one_holds_it_at_a_time(redis_url: str) -> None:
    """Whoever asks, dies or settles, the resource is what one process would have made it."""
    run_machine(Resources, redis_url, examples=40, steps=40)


@pytest.mark.usefixtures("clock")
async def test_those_who_wait_come_in_turn(guarded: GuardedCell) -> None:
    """Each is named to who set the resource free, and nobody who comes later is let before it."""
    await guarded.deploy(REACT)
    await guarded.passes(0)
    held, *waiting = await guarded.delivered(REACT, *[FAILED] * 5)
    lease = await guarded.runs(held)
    for d in waiting:
        await guarded.passes(1)
        await guarded.waits(d)
    for place, d in enumerate(waiting):
        assert committed(await guarded.commit(lease)).heir == d.name
        for later in waiting[place + 1 :]:
            await guarded.waits(later)
        lease = await guarded.runs(d)
    assert committed(await guarded.commit(lease)).heir == ""


@pytest.mark.usefixtures("clock")
async def test_a_renewed_lease_lasts(guarded: GuardedCell) -> None:
    """A holder that is alive keeps the resource; one that fell silent loses it after its lease."""
    await guarded.deploy(REACT)
    await guarded.passes(0)
    one, two = await guarded.delivered(REACT, FAILED, FAILED)
    lease = await guarded.runs(one, ALICE)
    for _ in range(5):
        await guarded.passes(LEASE_MS - 1)
        assert await guarded.run(guarded.calls(ALICE).renew(lease)) == 1
        await guarded.waits(two, BOB)
    await guarded.passes(LEASE_MS)
    second = await guarded.runs(two, BOB)
    assert second.token > lease.token
    await guarded.commit(lease)  # it was slow, not dead: it takes nothing from who came after it
    assert (await guarded.hash(guarded.keys.guard("exclusive", "a")))["holder"] == two.name


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("end", ["settled", "silent"])
async def test_a_turn_that_is_not_taken_passes(guarded: GuardedCell, end: str) -> None:
    """Who waited first and never comes is waited for a moment, whether the holder lives or not."""
    await guarded.deploy(REACT)
    await guarded.passes(0)
    held, gone, next_one = await guarded.delivered(REACT, *[FAILED] * 3)
    lease = await guarded.runs(held)
    await guarded.ask(gone)
    await guarded.passes(1)
    await guarded.ask(next_one)
    if end == "settled":
        await guarded.commit(lease)
    else:
        await guarded.passes(LEASE_MS - 1)
    reply = await guarded.waits(next_one)
    assert reply.due_ms == guarded.now_ms + GRACE_MS
    await guarded.passes(GRACE_MS)
    await guarded.runs(next_one)
    await guarded.waits(gone)


async def test_resources_are_apart(guarded: GuardedCell) -> None:
    """What one subject's delivery holds is nothing to those of another."""
    by_host = handler(ServiceFailed, name="hosts.react", exclusive="host:{subject}")
    await guarded.deploy(by_host, REACT)
    for subject in "ab":
        await guarded.fail(subject)
    for d in [*await guarded.read(by_host), *await guarded.read(REACT)]:
        await guarded.runs(d)

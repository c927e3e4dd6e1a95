"""What circuit.lua promises: replicas share one breaker, and one probe when it is half-open."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from antiphon import Breaker
from antiphon.broker.calls import Calls, Lease
from antiphon.broker.replies import Committed, OnHold, Run, Suppressed, settlement
from antiphon.broker.scripts import Call, script
from antiphon.delivery import Delivery
from antiphon.guards.breaker import Ended
from antiphon_events import ServiceFailed
from guarded import GuardedCell, committed
from machines import REPLICAS, CellMachine, pick_of, run_machine
from scripted import ALICE, BOB, handler

NAME = "payments-api"
RESET_MS, LEASE_MS = 60_000, 30_000
endings = st.sampled_from(["success", "failure", "failure", "failure", "cancelled"])


@dataclass
class BreakerModel:
    """A breaker in plain Python; time is handed in."""

    fail_max: int
    threshold: int
    state: str = "closed"
    failures: int = 0
    successes: int = 0
    until: int = 0
    probe: str = ""
    probe_until: int = 0

    def asks(self, who: str, now: int) -> int:
        """0 when `who` may go now, or the instant to ask again."""
        if self.state == "open":
            return self.until if now < self.until else 0
        taken = self.state == "half-open" and self.probe not in {"", who}
        return self.probe_until if taken and now < self.probe_until else 0

    def enter(self, who: str, now: int) -> bool:
        """Let `who` go; returns whether it is the probe."""
        if self.state == "closed":
            return False
        self.state, self.probe, self.probe_until = "half-open", who, now + LEASE_MS
        return True

    def leave(self, who: str, ended: Ended, now: int) -> str:
        """Count an end; returns what changed, or that the next one may probe."""
        before, probe = self.state, self.probe
        if before == "closed" and ended == "failure":
            self.failures += 1
            if self.failures >= self.fail_max:
                self._open(now)
        elif before == "closed" and ended == "success":
            self.failures = 0
        elif before == "half-open" and who == self.probe:
            self.probe = ""
            if ended == "failure":
                self._open(now)
            elif ended == "success":
                self.successes += 1
                if self.successes >= self.threshold:
                    self.state, self.failures, self.successes = "closed", 0, 0
        elsewhere = before != "half-open" or who != probe
        return "" if self.state == before and elsewhere else f"{before}>{self.state}"

    def _open(self, now: int) -> None:
        self.state, self.until, self.successes = "open", now + RESET_MS, 0


@dataclass
class Held:
    """A delivery that a replica runs."""

    lease: Lease
    replica: str


class Breakers(CellMachine):
    """Five replicas call a target, by handlers it guards and from within handlers."""

    numbers_of_calls = itertools.count(1)

    @initialize(fail_max=st.integers(1, 3), threshold=st.integers(1, 2))
    def begin(self, fail_max: int, threshold: int) -> None:
        self.model = BreakerModel(fail_max, threshold)
        self.calls: list[str] = []
        """Those that went out by themselves and have not come back."""
        self.waiting: list[Delivery] = []
        self.running: list[Held] = []
        breaker = Breaker(NAME, fail_max=fail_max, reset_timeout="1m", success_threshold=threshold)
        self.handler = handler(ServiceFailed, breaker=breaker, max_age="off")
        self.key = self.work.keys.guard("breaker", NAME)
        self.do(self.work.deploy(self.handler))

    @property
    def now(self) -> int:
        return self.work.now_ms

    # Calls from within a handler

    @rule(pick=st.integers(0, 4))
    def enter(self, pick: int) -> None:
        who = f"{pick_of(REPLICAS, pick)}#{next(self.numbers_of_calls)}"
        args = (who, LEASE_MS, f"breaker|{NAME}|{self.model.fail_max}|{RESET_MS}", RESET_MS)
        call = Call(script("enter"), (self.key, self.work.keys.guards), args)
        reply = self.do(self.work.run(call))
        again = self.model.asks(who, self.now)
        if again:
            assert reply[:2] == [0, again - self.now]
            return
        assert reply == [1, int(self.model.enter(who, self.now))]
        self.calls.append(who)

    @precondition(lambda self: self.calls)
    @rule(pick=st.integers(0, 100), ended=endings)
    def leave(self, pick: int, ended: Ended) -> None:
        who = self.calls.pop(pick % len(self.calls))
        args = (who, ended, self.model.fail_max, RESET_MS, self.model.threshold)
        change = self.do(self.work.run(Call(script("leave"), (self.key,), args)))
        assert change.decode() == self.model.leave(who, ended, self.now)

    @precondition(lambda self: self.model.state == "closed")
    @rule(pick=st.integers(0, 4), probe=st.sampled_from(["", "call", "delivery"]))
    def trip(self, pick: int, probe: str) -> None:
        """As many calls as it takes fail in a row, and the time until the probe passes."""
        while self.model.state == "closed":
            self.enter(pick)
            self.leave(len(self.calls) - 1, "failure")
        self.do(self.work.passes(RESET_MS))
        if probe == "call":
            self.enter(pick)
        elif probe == "delivery":
            self.deliver()
            self.ask(-1, REPLICAS[pick])

    @precondition(lambda self: self.calls)
    @rule(pick=st.integers(0, 100))
    def die_during_a_call(self, pick: int) -> None:
        self.calls.pop(pick % len(self.calls))

    # Deliveries of a guarded handler

    @precondition(lambda self: len(self.waiting) < 3)
    @rule()
    def deliver(self) -> None:
        self.waiting += self.do(self.work.delivered(self.handler, ServiceFailed(subject="a")))

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 100), replica=st.sampled_from(REPLICAS))
    def ask(self, pick: int, replica: str) -> None:
        d = pick_of(self.waiting, pick)
        reply, lease = self.do(self.work.ask(d, replica))
        if again := self.model.asks(d.name, self.now):
            assert isinstance(reply, OnHold)
            assert (reply.guard, reply.name, reply.due_ms) == ("breaker", NAME, again)
            return
        assert isinstance(reply, Run)
        self.model.enter(d.name, self.now)
        self.waiting.remove(d)
        self.running.append(Held(lease, replica))

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 100), ended=endings, again=st.booleans())
    def settle(self, pick: int, ended: Ended, *, again: bool) -> None:
        held = self.running.pop(pick % len(self.running))
        calls, lease = self.work.calls(held.replica), held.lease
        call = self._settling(calls, lease, ended, again=again)
        reply = settlement(self.do(self.work.run(call)))
        assert isinstance(reply, Committed)
        assert reply.change == self.model.leave(lease.delivery.name, ended, self.now)
        assert settlement(self.do(self.work.run(call))) == Committed()  # repeated: not counted
        if again and ended != "success":
            self.waiting.append(lease.delivery)

    def _settling(self, calls: Calls, lease: Lease, ended: Ended, *, again: bool) -> Call:
        if ended == "success":
            return calls.commit(lease, 7, ())
        if not again:
            return calls.bury(lease, 7, "Broken", ended)
        if ended == "cancelled":
            return calls.release(lease, 7)
        return calls.postpone(lease, 7, delay_ms=0, error="Broken")

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 100))
    def renew(self, pick: int) -> None:
        held = pick_of(self.running, pick)
        assert self.do(self.work.run(self.work.calls(held.replica).renew(held.lease))) == 1
        if self.model.state == "half-open" and self.model.probe == held.lease.delivery.name:
            self.model.probe_until = self.now + LEASE_MS

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 100))
    def die_during_a_delivery(self, pick: int) -> None:
        """Its lease is lost; another replica will take the delivery up."""
        self.waiting.append(self.running.pop(pick % len(self.running)).lease.delivery)

    @rule(ms=st.sampled_from([1, LEASE_MS - 1, LEASE_MS, RESET_MS - 1, RESET_MS]))
    def time_passes(self, ms: int) -> None:
        self.do(self.work.passes(ms))

    @invariant()
    def the_breaker_is_as_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        row, model = self.do(self.work.hash(self.key)), self.model
        assert row.get("state", "closed") == model.state
        if model.state == "closed":
            assert int(row.get("failures", 0)) == model.failures
        if model.state == "open":
            assert int(row["until"]) == model.until
        if model.state == "half-open":
            assert row.get("probe", "") == model.probe
            assert int(row.get("successes", 0)) == model.successes


def test_replicas_share_one_breaker(redis_url: str) -> None:
    """Whoever calls, in whatever order, the breaker is what one process would have made it."""
    run_machine(Breakers, redis_url, examples=60, steps=40)


@pytest.mark.usefixtures("clock")
async def test_of_many_replicas_one_probes(guarded: GuardedCell) -> None:
    """When the time has come and all ask at once, one goes; the others wait for its lease."""
    react = handler(ServiceFailed, breaker=Breaker(NAME, fail_max=1, reset_timeout="1m"))
    await guarded.deploy(react)
    first, *others = await guarded.delivered(react, *[ServiceFailed(subject="a")] * 6)
    lease = await guarded.runs(first)
    await guarded.passes(0)
    assert committed(await guarded.postpone(lease)).change == "closed>open"
    opened = guarded.now_ms
    await guarded.passes(RESET_MS)
    asked = zip(others, REPLICAS, strict=True)
    replies = [reply for reply, _ in await asyncio.gather(*(guarded.ask(*a) for a in asked))]
    assert sum(isinstance(reply, Run) for reply in replies) == 1
    again = {reply.due_ms for reply in replies if isinstance(reply, OnHold)}
    assert again == {opened + RESET_MS + LEASE_MS}


async def test_an_open_circuit_may_end_deliveries(guarded: GuardedCell) -> None:
    """With `on_open="escalate"` they do not wait, and people are told once in each recovery."""
    breaker = Breaker(NAME, fail_max=1, on_open="escalate")
    react = handler(ServiceFailed, breaker=breaker)
    other = handler(ServiceFailed, name="billing.react", breaker=breaker)
    await guarded.deploy(react, other)
    await guarded.fail("a")
    lease = await guarded.runs(await guarded.read_one(react))
    await guarded.postpone(lease)
    sent = await guarded.fail("b")
    replies = [await guarded.admit((await guarded.read(h, BOB))[-1], BOB) for h in (react, other)]
    assert [(r.guard, r.name, r.told) for r in replies if isinstance(r, Suppressed)] == [
        ("breaker", NAME, True),
        ("breaker", NAME, False),
    ]
    assert len(await guarded.told()) == 1
    assert (await guarded.summary(sent))["verdict"] == "failed"


@pytest.mark.usefixtures("clock")
async def test_an_open_breaker_is_listed(guarded: GuardedCell) -> None:
    """Whoever looks for guards finds it for as long as it holds anything."""
    key, keys = guarded.keys.guard("breaker", NAME), guarded.keys
    entry = f"breaker|{NAME}|1|{RESET_MS}"
    await guarded.passes(0)
    entering = Call(script("enter"), (key, keys.guards), (ALICE, LEASE_MS, entry, RESET_MS))
    assert await guarded.run(entering) == [1, 0]
    await guarded.passes(RESET_MS // 2)
    leaving = Call(script("leave"), (key,), (ALICE, "failure", 1, RESET_MS, 1))
    assert await guarded.run(leaving) == b"closed>open"
    until = int((await guarded.hash(key))["until"])
    assert (await guarded.zset(keys.guards))[entry] >= until


@pytest.mark.usefixtures("clock")
async def test_a_breaker_that_opens_at_its_first_failures_is_listed(guarded: GuardedCell) -> None:
    """What was let through before any failed did not list it; what it holds does."""
    react = handler(ServiceFailed, breaker=Breaker(NAME, fail_max=1, reset_timeout="1m"))
    await guarded.deploy(react)
    first, other = await guarded.delivered(react, *[ServiceFailed(subject=s) for s in "ab"])
    await guarded.postpone(await guarded.runs(first))
    assert (await guarded.waits(other)).guard == "breaker"
    assert f"breaker|{NAME}|1|{RESET_MS}" in await guarded.zset(guarded.keys.guards)

"""What budget.lua promises: so many attempts on a subject and no more, and people told once."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import orjson
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from antiphon import Budget
from antiphon.broker.calls import Lease
from antiphon.broker.replies import Run, Suppressed
from antiphon.delivery import Delivery
from antiphon_events import ServiceFailed, ServiceRestarted
from guarded import GuardedCell
from machines import REPLICAS, CellMachine, run_machine
from scripted import ALICE, Sent, handler

LIMIT, WINDOW_MS = 3, 600_000
BUDGET = Budget(LIMIT, per="10m", action="restart")
REACT = handler(ServiceFailed, budget=BUDGET, max_age="off")
OTHER = handler(ServiceFailed, name="billing.react", budget=BUDGET, max_age="off")
HANDLERS = REACT, OTHER


class Budgets(CellMachine):
    """Two services share an action, and try it on two subjects whenever something fails."""

    def __init__(self) -> None:
        super().__init__()
        self.log = defaultdict[str, list[tuple[int, str]]](list)
        """By subject: every attempt, when and in which recovery."""
        self.told = defaultdict[str, bool](bool)
        self.escalated = 0
        self.waiting: list[Delivery] = []
        self.running: list[tuple[Lease, str]] = []
        self.do(self.work.deploy(*HANDLERS))

    @precondition(lambda self: len(self.waiting) < 6)
    @rule(subject=st.sampled_from("ab"))
    def deliver(self, subject: str) -> None:
        self.do(self.work.fail(subject))
        for h in HANDLERS:
            self.waiting += self.do(self.work.read(h))

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 100), replica=st.sampled_from(REPLICAS))
    def ask(self, pick: int, replica: str) -> None:
        d = self.waiting.pop(pick % len(self.waiting))
        subject, now = d.envelope.subject, self.work.now_ms
        recent = [a for a in self.log[subject] if a[0] > now - WINDOW_MS]
        reply, lease = self.do(self.work.ask(d, replica))
        if len(recent) < LIMIT:
            assert isinstance(reply, Run)
            self.log[subject].append((now, d.envelope.correlation_id))
            self.told[subject] = False
            self.running.append((lease, replica))
            return
        assert isinstance(reply, Suppressed)
        assert (reply.guard, reply.name) == ("budget", f"restart:{subject}")
        assert (reply.limit, reply.value) == (LIMIT, LIMIT)
        assert reply.opens_ms == recent[-LIMIT][0] + WINDOW_MS
        assert reply.told != self.told[subject], "people are told once until the budget frees"
        self.told[subject] = True
        if reply.told:
            self.escalated += 1
            last = orjson.loads(self.do(self.work.told())[-1]["data"])
            told = sorted(f"restart:{subject} in {recovery}" for _, recovery in recent)
            assert sorted(last["tried"]) == told

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 100), again=st.booleans())
    def fail_or_die(self, pick: int, *, again: bool) -> None:
        """Whether it is put off or its worker dies, it is tried again: another attempt."""
        lease, replica = self.running.pop(pick % len(self.running))
        if again:
            self.do(self.work.postpone(lease, by=replica))
        self.waiting.append(lease.delivery)

    @rule(ms=st.sampled_from([1, 200_000, WINDOW_MS - 1, WINDOW_MS]))
    def time_passes(self, ms: int) -> None:
        self.do(self.work.passes(ms))

    @invariant()
    def no_window_holds_more(self) -> None:
        for log in self.log.values():
            for (first, _), (last, _) in zip(log, log[LIMIT:], strict=False):
                assert last - first >= WINDOW_MS

    @invariant()
    def as_many_were_told(self) -> None:
        assert len(self.do(self.work.told())) == self.escalated


def test_a_budget_is_never_overdrawn(redis_url: str) -> None:
    """Whoever tries, in whichever recovery, an attempt is counted, and no window holds more."""
    run_machine(Budgets, redis_url, examples=40, steps=40)


async def test_many_at_once_spend_it_exactly(guarded: GuardedCell) -> None:
    """Of twenty that ask at the same time as many run as may, and one tells people."""
    await guarded.deploy(*HANDLERS)
    for _ in range(10):
        await guarded.fail("a")
    deliveries = [d for h in HANDLERS for d in await guarded.read(h)]
    owners = [f"c{number}" for number in range(len(deliveries))]
    asked = (guarded.ask(d, owner) for d, owner in zip(deliveries, owners, strict=True))
    replies = [reply for reply, _ in await asyncio.gather(*asked)]
    assert sum(isinstance(reply, Run) for reply in replies) == LIMIT
    suppressed = [reply for reply in replies if isinstance(reply, Suppressed)]
    assert len(suppressed) == 20 - LIMIT
    assert sum(reply.told for reply in suppressed) == 1
    assert len(await guarded.told()) == 1


async def spend(guarded: GuardedCell) -> list[Sent]:
    """Use the budget up, one recovery after the other."""
    spent = [await guarded.fail("a") for _ in range(LIMIT)]
    for d in await guarded.read(REACT):
        lease = await guarded.runs(d)
        await guarded.commit(lease, ServiceRestarted(subject="a"))
    return spent


async def test_a_suppressed_delivery_ends(guarded: GuardedCell) -> None:
    """It is acknowledged and no longer waited for, and the verdict says what was not done."""
    await guarded.deploy(REACT)
    spent = await spend(guarded)
    sent = await guarded.fail("a")
    reply = await guarded.admit(await guarded.read_one(REACT))
    assert isinstance(reply, Suppressed)
    assert (reply.verdict, reply.told) == ("failed", True)
    stream = guarded.keys.events("service.failed")
    assert (await guarded.client.xpending(stream, REACT.group))["pending"] == 0
    assert not await guarded.outstanding(sent)
    (row,) = await guarded.ledger(sent, "suppressed")
    assert (row["guard"], row["name"], row["limit"]) == ("budget", "restart:a", str(LIMIT))
    assert row["opens"] == str(reply.opens_ms)
    (closing,) = await guarded.closings(sent)
    data = orjson.loads(closing[b"data"])
    assert (closing[b"type"], data["suppressed"]) == (b"recovery.failed", 1)
    assert "budget" in data["reasons"][0]
    (told,) = await guarded.told()
    assert told["correlationid"] == sent.correlation_id
    data = orjson.loads(told["data"])
    tried = [f"restart:a in {earlier.correlation_id}" for earlier in spent]
    assert (data["guard"], data["limit"], data["value"]) == ("budget", LIMIT, LIMIT)
    assert sorted(data["tried"]) == sorted(tried)


async def test_what_was_done_beside_it_counts(guarded: GuardedCell) -> None:
    """A recovery of which one step ran and another was suppressed is partial."""
    page = handler(ServiceFailed, name="pager.page")
    await guarded.deploy(REACT, page)
    await spend(guarded)
    sent = await guarded.fail("a")
    await guarded.admit((await guarded.read(REACT))[-1])
    await guarded.commit(await guarded.lease((await guarded.read(page))[-1]))
    assert (await guarded.summary(sent))["verdict"] == "partial"


@pytest.mark.usefixtures("clock")
async def test_a_budget_that_frees_can_be_spent_again(guarded: GuardedCell) -> None:
    """After the window the action is tried again; when that is spent too, people are told again."""
    await guarded.deploy(REACT)
    for times in (1, 2):
        await guarded.passes(WINDOW_MS)
        await spend(guarded)
        for _ in range(2):
            await guarded.fail("a")
        replies = [(await guarded.ask(d, ALICE))[0] for d in await guarded.read(REACT)]
        assert [isinstance(reply, Suppressed) for reply in replies] == [True, True]
        assert len(await guarded.told()) == times

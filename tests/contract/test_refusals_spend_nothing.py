"""A delivery that a guard refuses spends nothing of any guard: all are asked before any is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from antiphon import Breaker, Budget
from antiphon.broker.replies import Admission, OnHold, Suppressed, Waiting
from antiphon.broker.scripts import Call, script
from antiphon.delivery import Delivery
from antiphon_events import ServiceFailed, ServiceRestarted
from guarded import GuardedCell
from scripted import BOB, HOUR_MS, handler
from snapshots import Snapshot, snapshot

LIMIT = 5
REACT = handler(
    ServiceFailed,
    name="orders.react",
    rate=f"{LIMIT}/10m",
    breaker=Breaker("payments", fail_max=3, reset_timeout="1m"),
    exclusive=True,
    budget=Budget(LIMIT, per="10m", action="restart"),
)
CHECK = handler(ServiceRestarted, name="orders.check")
SETTINGS: dict[str, Any] = {
    "services": {"orders": {"rate": "6/10m"}},
    "rate": "7/10m",
    "storm": "3/1h",
    "max_visits": 2,
    "max_events": 20,
    "max_hops": 3,
}

STATES = (
    "queue:",
    "budget:",
    "rate:",
    "breaker:",
    "exclusive:",
    "guards",
    "fence",
    "relapse:",
    "storm",
)
"""What an attempt spends, in families of keys."""

MARKS: Mapping[str, set[str]] = {
    "rate": {"queue:rate:handler:orders.react"},
    "service": {"queue:rate:service:orders"},
    "cell": {"queue:rate:cell"},
    "exclusive": {"queue:exclusive:a", "guards"},
    "budget": {"budget:restart:a"},
    "breaker": {"guards"},
    "probed": {"guards"},
}
"""Where a guard itself notes that it refused: a place in its queue, what it holds, or that people
were told."""

Refusal = Callable[[GuardedCell, Delivery], Awaitable[None]]


async def full(work: GuardedCell, kind: str, name: str, limit: int) -> None:
    """Let a window be full of others' uses."""
    log, now = work.keys.guard(kind, name), work.now_ms
    uses = {f"other#{1000 + number}": now - number - 1 for number in range(limit)}
    await work.client.zadd(log, uses)
    await work.client.pexpire(log, 600_000)


async def pause(work: GuardedCell, _: Delivery) -> None:
    keys = work.keys
    await work.run(Call(script("pause"), (keys.pauses, keys.audit), ("*", "anna", "deploy")))


async def storm(work: GuardedCell, d: Delivery) -> None:
    await work.client.hset(work.keys.recovery(d.envelope.correlation_id), "parked", 1)
    await work.client.hset(work.keys.pauses, "storm", '{"since": 1}')


async def halt(work: GuardedCell, d: Delivery) -> None:
    await work.client.hset(work.keys.recovery(d.envelope.correlation_id), "halted", "a loop")


async def stale(work: GuardedCell, _: Delivery) -> None:
    await work.passes(2 * HOUR_MS)


async def hops(_: GuardedCell, d: Delivery) -> None:
    d.envelope = replace(d.envelope, hops=4)


async def events(work: GuardedCell, d: Delivery) -> None:
    await work.client.hset(work.keys.recovery(d.envelope.correlation_id), "events", 21)


async def visits(work: GuardedCell, d: Delivery) -> None:
    record = work.keys.recovery(d.envelope.correlation_id)
    await work.client.hset(record, "visits:orders.react|a", 2)


async def rate(work: GuardedCell, _: Delivery) -> None:
    await full(work, "rate", "handler:orders.react", LIMIT)


async def service(work: GuardedCell, _: Delivery) -> None:
    await full(work, "rate", "service:orders", 6)


async def cell(work: GuardedCell, _: Delivery) -> None:
    await full(work, "rate", "cell", 7)


async def breaker(work: GuardedCell, _: Delivery) -> None:
    key = work.keys.guard("breaker", "payments")
    until = work.now_ms + 60_000
    await work.client.hset(key, mapping={"state": "open", "failures": 3, "until": until})
    await work.client.pexpire(key, HOUR_MS)


async def probed(work: GuardedCell, _: Delivery) -> None:
    key = work.keys.guard("breaker", "payments")
    held = {"state": "half-open", "probe": "x", "probe_until": work.now_ms + 30_000, "until": 1}
    await work.client.hset(key, mapping=held)
    await work.client.pexpire(key, HOUR_MS)


async def exclusive(work: GuardedCell, _: Delivery) -> None:
    held = {"holder": "x|1-1|y.z", "owner": "x#1", "token": 1, "until": work.now_ms + 30_000}
    await work.client.hset(work.keys.guard("exclusive", "a"), mapping=held)
    await work.client.pexpire(work.keys.guard("exclusive", "a"), HOUR_MS)


async def budget(work: GuardedCell, _: Delivery) -> None:
    await full(work, "budget", "restart:a", LIMIT)


HELD: Mapping[str, tuple[str, Refusal]] = {
    "pause": ("pause", pause),
    "storm": ("storm", storm),
    "rate": ("rate", rate),
    "service": ("rate", service),
    "cell": ("rate", cell),
    "breaker": ("breaker", breaker),
    "probed": ("breaker", probed),
    "exclusive": ("exclusive", exclusive),
}
ENDED: Mapping[str, tuple[str, Refusal]] = {
    "halt": ("halt", halt),
    "stale": ("staleness", stale),
    "hops": ("hops", hops),
    "events": ("events", events),
    "visits": ("visits", visits),
    "budget": ("budget", budget),
}
ORDER = (
    "halt", "pause", "stale", "hops", "events", "visits", "storm",
    "rate", "service", "cell", "breaker", "exclusive", "budget",
)  # fmt: skip
"""As they are asked: the first that refuses decides."""


async def ready(guarded: GuardedCell) -> tuple[GuardedCell, Delivery]:
    """A delivery about to be admitted, in a cell where every guard has been used once."""
    work = guarded.with_settings(**SETTINGS)
    await work.deploy(REACT, CHECK)
    await work.passes(0)
    await work.fail("a")
    lease = await work.runs(await work.read_one(REACT))
    await work.commit(lease)
    await work.fail("a")
    return work, await work.read_one(REACT)


def spent(work: GuardedCell, before: Snapshot, after: Snapshot) -> set[str]:
    """The state of guards that is not as it was."""
    prefix = work.keys.prefix
    names = {name.removeprefix(prefix) for name in {*before, *after}}
    return {
        name
        for name in names
        if name.startswith(STATES) and before.get(prefix + name) != after.get(prefix + name)
    }


async def attempts(work: GuardedCell, d: Delivery) -> dict[str, str]:
    """What is counted about the delivery itself."""
    record = await work.hash(work.keys.recovery(d.envelope.correlation_id))
    counted = {name: n for name, n in record.items() if name.startswith(("visits:", "events"))}
    return {**counted, **await work.hash(work.keys.idempotency(d.handler.group, d.key))}


async def refused(work: GuardedCell, d: Delivery, allowed: set[str]) -> Admission:
    """Ask twice; returns what was answered, and holds it to its promise."""
    before, counted = await snapshot(work.client, work.keys), await attempts(work, d)
    reply, _ = await work.ask(d)
    assert isinstance(reply, OnHold | Suppressed | Waiting), reply
    if isinstance(reply, OnHold):
        again = await work.waits(d, BOB)
        assert (again.guard, again.name) == (reply.guard, reply.name)
        assert not again.fresh
    after = await snapshot(work.client, work.keys)
    assert spent(work, before, after) <= allowed
    if isinstance(reply, OnHold):
        assert await attempts(work, d) == counted
    return reply


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("name", [*HELD, *ENDED])
async def test_a_refusal_spends_nothing(guarded: GuardedCell, name: str) -> None:
    """Logs, breakers, resources, visits and attempts are as they were, however often it asks."""
    work, d = await ready(guarded)
    guard, refuse = {**HELD, **ENDED}[name]
    await refuse(work, d)
    reply = await refused(work, d, MARKS.get(name, set()))
    assert isinstance(reply, OnHold | Suppressed)
    assert reply.guard == guard


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("place", range(len(ORDER)))
async def test_the_first_that_refuses_decides(guarded: GuardedCell, place: int) -> None:
    """Of several that refuse the first one answers, and the others note nothing."""
    work, d = await ready(guarded)
    if "stale" in ORDER[place:]:
        await stale(work, d)
    for name in reversed(ORDER[place:]):
        if name != "stale":
            await {**HELD, **ENDED}[name][1](work, d)
    reply = await refused(work, d, MARKS.get(ORDER[place], set()))
    assert isinstance(reply, OnHold | Suppressed)
    assert reply.guard == {**HELD, **ENDED}[ORDER[place]][0]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("name", [name for name in HELD if name != "storm"])
async def test_a_retry_that_is_held_counts_nothing(guarded: GuardedCell, name: str) -> None:
    """Attempts and failures of a delivery that ran before are kept as they are while it waits."""
    work, d = await ready(guarded)
    lease = await work.runs(d)
    await work.postpone(lease)
    guard, refuse = HELD[name]
    await refuse(work, d)
    held = await refused(work, d, MARKS.get(name, set()))
    assert isinstance(held, OnHold)
    assert held.guard == guard
    key = work.keys.idempotency(d.handler.group, d.key)
    assert (await work.hash(key))["attempts"] == "1"
    remaining = await work.client.pttl(key)
    assert remaining > held.due_ms - work.now_ms, "its attempts are forgotten before it runs"


@pytest.mark.usefixtures("clock")
async def test_an_effect_under_way_spends_nothing(guarded: GuardedCell) -> None:
    """A delivery whose effect another one holds is told so before any guard is asked."""
    once = handler(ServiceFailed, key="{subject}", rate="5/10m", budget="5/10m", exclusive=True)
    await guarded.deploy(once)
    await guarded.passes(0)
    for _ in range(2):
        await guarded.fail("a")
    one, two = await guarded.read(once)
    await guarded.runs(one)
    before = await snapshot(guarded.client, guarded.keys)
    assert isinstance((await guarded.ask(two))[0], Waiting)
    assert not spent(guarded, before, await snapshot(guarded.client, guarded.keys))


@pytest.mark.usefixtures("clock")
async def test_what_is_let_through_spends_of_each(guarded: GuardedCell) -> None:
    """The same delivery, with room everywhere, is counted once by every guard."""
    work, d = await ready(guarded)
    before = await snapshot(work.client, work.keys)
    await work.runs(d)
    after = await snapshot(work.client, work.keys)
    assert spent(work, before, after) >= {
        "rate:handler:orders.react",
        "rate:service:orders",
        "rate:cell",
        "exclusive:a",
        "budget:restart:a",
        "fence",
    }

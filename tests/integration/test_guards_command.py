"""``antiphon guards``: what guards hold and count is seen, and a person can end it."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import Settings
from guardroom import HELD_UNTIL_MS, Guardroom
from program import Ended, antiphon
from witness import Witness

MINUTE_MS = 60_000


@pytest.fixture
def guards(witness: Witness) -> Guardroom:
    return Guardroom(witness)


async def shown(settings: Settings) -> dict[str, Any]:
    ended = await antiphon(settings, "guards", "--json")
    assert ended.status == 0, ended.err
    state: dict[str, Any] = ended.document
    return state


async def table(settings: Settings) -> list[str]:
    ended = await antiphon(settings, "guards")
    assert ended.status == 0, ended.err
    return [" ".join(line.split()) for line in ended.out.splitlines()]


async def reset(settings: Settings, kind: str, name: str, *options: str) -> Ended:
    told = ("--as", "anna", "--reason", "mended")
    return await antiphon(settings, "guards", "reset", kind, name, *told, *options)


async def lease(guards: Guardroom, resource: str, ends: int) -> None:
    """Let a delivery hold a resource until so many ms from now, and another wait for it."""
    now, state = await guards.now_ms(), guards.keys.guard("exclusive", resource)
    known = {"holder": "service.failed|1-1|a.b", "owner": "one", "token": 7, "until": now + ends}
    queue = guards.keys.queue("exclusive", resource)
    await guards.client.hset(state, mapping=known)
    await guards.client.zadd(queue, {"service.failed|2-1|a.b": now})
    for key in (state, queue):
        await guards.client.pexpire(key, MINUTE_MS)
    await guards.index("exclusive", resource, 1, 30_000)


async def test_a_cell_at_rest_says_so(settings: Settings) -> None:
    """Nothing to show is an answer, for people and for programs."""
    ended = await antiphon(settings, "guards")
    assert ended.out == "Nothing is paused, and no guard holds or counts anything.\n"
    state = await shown(settings)
    assert state.pop("taken")
    assert not any(state.values())


async def test_a_window_says_when_there_is_room_again(
    settings: Settings, guards: Guardroom
) -> None:
    """Uses that have left the window do not count, and the oldest that does leaves next."""
    await guards.use("budget", "restart:api", 3, 10 * MINUTE_MS, 1000, 60_000, 330_000, 900_000)
    await guards.use("rate", "handler:orders.page", 3, MINUTE_MS, 1000)
    state = await shown(settings)
    budget, rate = state["windows"]
    assert (budget["kind"], budget["name"]) == ("budget", "restart:api")
    assert (budget["used"], budget["limit"], budget["window_ms"]) == (3, 3, 600_000)
    assert budget["opens"] is not None
    assert (rate["kind"], rate["name"], rate["used"]) == ("rate", "handler:orders.page", 1)
    assert rate["opens"] is None
    lines = await table(settings)
    assert lines[0] == "guard name state held"
    assert lines[1].startswith("budget restart:api 3 of 3 within 10m, room in 4m ")
    assert lines[2] == "rate handler:orders.page 1 of 3 within 1m"


async def test_a_budget_told_of_once_is_not_a_use_more(
    settings: Settings, guards: Guardroom
) -> None:
    """What a guard remembers at the beginning of time is no attempt."""
    await guards.use("budget", "restart:api", 3, MINUTE_MS, 1000, 2000)
    await guards.client.zadd(guards.keys.guard("budget", "restart:api"), {"!": 1})
    [budget] = (await shown(settings))["windows"]
    assert (budget["used"], budget["opens"]) == (2, None)


async def test_breakers_say_when_they_probe(settings: Settings, guards: Guardroom) -> None:
    """An open one until then, or that its time has come; a half-open one who probes."""
    await guards.breaker("payments", "open", until=30_000)
    await guards.breaker("ledger", "open", until=-5)
    await guards.breaker("search", "closed", until=0, failures=2)
    await guards.breaker("mail", "half-open", until=-5)
    probe = {"probe": "service.failed|1-1|a.b"}
    await guards.client.hset(guards.keys.guard("breaker", "mail"), mapping=probe)
    await guards.hold("breaker", "payments")
    found = {one["name"]: one for one in (await shown(settings))["breakers"]}
    assert (found["payments"]["state"], found["payments"]["fail_max"]) == ("open", 5)
    assert found["mail"]["probe"] == "service.failed|1-1|a.b"
    ledger, mail, payments, search = (await table(settings))[1:]
    assert ledger.endswith("the next delivery probes")
    assert mail == "breaker mail half-open, service.failed|1-1|a.b probes"
    assert ", probes in " in payments
    assert payments.endswith(" s 1")
    assert search == "breaker search closed, 2 of 5 failures"


async def test_a_resource_says_who_has_it_and_who_waits(
    settings: Settings, guards: Guardroom
) -> None:
    """A lease that has ended holds nothing, whoever was the holder."""
    await lease(guards, "disk", MINUTE_MS)
    await lease(guards, "tape", -1)
    disk, tape = (await shown(settings))["resources"]
    assert (disk["holder"], disk["token"], disk["waiting"]) == ("service.failed|1-1|a.b", 7, 1)
    assert (tape["holder"], tape["token"], tape["until"]) == (None, None, None)
    _, leased, free = await table(settings)
    assert leased.startswith("exclusive disk leased to service.failed|1-1|a.b for ")
    assert free == "exclusive tape free, 1 waiting"


async def test_what_is_held_is_counted_by_guard_and_name(
    settings: Settings, guards: Guardroom
) -> None:
    """Each delivery stands with what holds it, also when that has nothing else to show."""
    await guards.pause("service:orders", reason="deploy")
    await guards.hold("pause", "service:orders", entry="1-1")
    await guards.hold("pause", "service:orders", entry="1-2")
    await guards.hold("rate", "cell", entry="1-3")
    await guards.client.hset(guards.keys.held, "not a delivery", "nonsense")
    state = await shown(settings)
    assert [pause["held"] for pause in state["pauses"]] == [2]
    counts = [(held["guard"], held["name"], held["count"]) for held in state["held"]]
    assert counts == [("pause", "service:orders", 2), ("rate", "cell", 1)]
    heading, pause, _, _, rate = await table(settings)
    assert heading == "paused by since held why"
    assert pause.startswith("the service orders anna ")
    assert pause.endswith(" ago 2 deploy")
    assert rate.startswith("rate cell since ")


async def test_escalations_say_who_is_told_next(settings: Settings, guards: Guardroom) -> None:
    """One whose record is gone is still somebody's to acknowledge."""
    await guards.escalate("one", subject="api", reason="the budget is spent")
    ahead = await guards.now_ms() + MINUTE_MS
    await guards.client.zadd(guards.keys.escalations, {"gone": ahead})
    state = await shown(settings)
    gone, one = state["escalations"]
    assert state["unacknowledged"] == 2
    assert (one["subject"], one["reason"], one["tier"]) == ("api", "the budget is spent", 2)
    assert one["next"] is None
    assert (gone["correlation_id"], gone["reason"]) == ("gone", "")
    assert gone["next"] is not None
    assert (await table(settings))[-1].endswith(" ago 2 the budget is spent")


async def test_history_is_not_shown(settings: Settings, guards: Guardroom) -> None:
    """What the index says has passed, and what is not of a guard at all, is left out."""
    await guards.use("budget", "restart:api", 3, MINUTE_MS, 1000)
    await guards.index("budget", "restart:api", 3, MINUTE_MS, ends=-1)
    await guards.index("budget", "nothing:there", 3, MINUTE_MS)
    now = await guards.now_ms()
    await guards.client.zadd(guards.keys.guards, {"nonsense": now * 2, "rate|x|many|1": now * 2})
    state = await shown(settings)
    assert state.pop("taken")
    assert not any(state.values())


@pytest.mark.parametrize("text", [b"", b"[1]", b"{}", b'{"by":null,"since":"soon"}'])
async def test_a_pause_written_by_hand_is_a_pause(
    settings: Settings, guards: Guardroom, text: bytes
) -> None:
    """Workers hold what it names, so that it is shown whatever it says."""
    await guards.client.hset(guards.keys.pauses, "subject:api", text)
    [pause] = (await shown(settings))["pauses"]
    assert (pause["by"], pause["since"]) == ("?", None)
    assert (await table(settings))[1] == "the subject api ? 0"


async def test_names_from_outside_cannot_steer_the_terminal(
    settings: Settings, guards: Guardroom
) -> None:
    """A subject is whatever somebody called it."""
    await guards.use("budget", "restart:api\x1b[2J", 3, MINUTE_MS, 1000)
    assert "\x1b" not in (await antiphon(settings, "guards")).out


@pytest.mark.parametrize("kind", ["budget", "rate", "relapse"])
async def test_resetting_a_window_empties_it(
    settings: Settings, guards: Guardroom, kind: str
) -> None:
    """Under every limit it was counted with; what it held is due, and the audit says why."""
    name = "restart:api"
    await guards.use(kind, name, 3, MINUTE_MS, 1000, 2000, 3000)
    await guards.index(kind, name, 5, MINUTE_MS)
    await guards.use(kind, "restart:db", 3, MINUTE_MS, 1000)
    queue = guards.keys.queue(kind, name)
    await guards.client.zadd(queue, {"service.failed|1-1|a.b": HELD_UNTIL_MS})
    await guards.hold(kind, name, entry="1-1")
    await guards.hold(kind, "restart:db", entry="1-2")
    ended = await reset(settings, kind, name)
    assert ended.out == f"Reset {kind} {name}; 1 delivery was held.\n"
    assert [window["name"] for window in (await shown(settings))["windows"]] == ["restart:db"]
    assert not await guards.client.exists(queue, guards.keys.guard(kind, name))
    assert (await guards.due(entry="1-1") or 0) < HELD_UNTIL_MS
    assert await guards.due(entry="1-2") == HELD_UNTIL_MS
    assert await guards.audit() == [
        {"action": "reset", "what": f"{kind}|{name}", "by": "anna", "reason": "mended"}
    ]


async def test_resetting_a_breaker_closes_it(settings: Settings, guards: Guardroom) -> None:
    """It is as if it had never counted a failure, also when the index has lost it."""
    await guards.breaker("payments", "open", until=30_000)
    await guards.client.delete(guards.keys.guards)
    assert (await reset(settings, "breaker", "payments", "--json")).document == {
        "kind": "breaker",
        "name": "payments",
        "freed": 0,
    }
    assert not await guards.client.exists(guards.keys.guard("breaker", "payments"))


async def test_resetting_a_resource_frees_it(settings: Settings, guards: Guardroom) -> None:
    """Whoever waits for it may have it now; the fencing token keeps the old holder out."""
    await lease(guards, "disk", MINUTE_MS)
    await guards.hold("exclusive", "disk")
    assert (await reset(settings, "exclusive", "disk")).status == 0
    assert (await shown(settings))["resources"] == []
    assert (await guards.due() or 0) < HELD_UNTIL_MS


async def test_a_guard_that_is_not_there_cannot_be_reset(
    settings: Settings, guards: Guardroom
) -> None:
    """The refusal names those that are, and leaves no trace in the audit."""
    await guards.use("budget", "restart:api", 3, MINUTE_MS, 1000)
    ended = await reset(settings, "budget", "restart:apo")
    assert ended.status == 2
    assert ended.complaint == (
        "no budget named 'restart:apo' has anything to forget; there is: restart:api. "
        "antiphon guards shows them"
    )
    ended = await reset(settings, "beaker", "payments")
    assert ended.complaint == (
        "there is no guard 'beaker' to reset; there is: breaker, budget, rate, relapse, exclusive"
    )
    assert await guards.audit() == []


async def test_a_reset_needs_a_reason(settings: Settings) -> None:
    """It takes away what protects a system: whoever reads the audit wants to know why."""
    ended = await antiphon(settings, "guards", "reset", "budget", "restart:api")
    assert ended.status == 2
    assert "--reason" in ended.err


async def test_options_before_reset_are_refused(settings: Settings) -> None:
    """They would be about another cell than the one that is reset."""
    ended = await antiphon(
        settings, "guards", "--cell", "x", "reset", "budget", "a", "--reason", "b"
    )
    assert ended.status == 2
    assert ended.complaint == "give options after `reset`"

"""``antiphon pause`` and ``antiphon resume``: a person's word stops what begins, and starts it."""

from __future__ import annotations

import getpass

import pytest

from antiphon import Service, Settings
from antiphon.guards.state import RELAPSE_GUARD, STORM_BRAKE
from antiphon_events import ServiceFailed
from guardroom import HELD_UNTIL_MS, Guardroom
from program import Ended, antiphon
from witness import Witness, running

HOUR_MS = 3_600_000


@pytest.fixture
def guards(witness: Witness) -> Guardroom:
    return Guardroom(witness)


async def resumed(settings: Settings, *options: str) -> Ended:
    ended = await antiphon(settings, "resume", *options, "--json")
    assert ended.status == 0, ended.err
    return ended


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ((), "*", "Paused everything."),
        (("--service", "orders"), "service:orders", "Paused the service orders."),
        (("--subject", "orders api"), "subject:orders api", "Paused the subject orders api."),
    ],
)
async def test_a_pause_and_its_end_are_on_record(
    settings: Settings, guards: Guardroom, options: tuple[str, ...], field: str, words: str
) -> None:
    """The server knows who paused what, since when and why; the audit keeps both switches."""
    told = ("--as", "anna", "--reason", "deploy")
    ended = await antiphon(settings, "pause", *options, *told)
    assert ended.status == 0, ended.err
    assert ended.out.startswith(words)
    state = (await antiphon(settings, "guards", "--json")).document
    [pause] = state["pauses"]
    assert (pause["scope"], pause["by"], pause["reason"]) == (field, "anna", "deploy")
    assert state["taken"][:15] == pause["since"][:15]

    assert (await resumed(settings, *options, "--as", "ben")).document["still_paused"] == []
    assert not await guards.client.exists(guards.keys.pauses)
    assert await guards.audit() == [
        {"action": "pause", "what": field, "by": "anna", "reason": "deploy"},
        {"action": "resume", "what": field, "by": "ben", "reason": ""},
    ]


async def test_the_login_name_signs_unless_another_is_given(
    settings: Settings, guards: Guardroom
) -> None:
    """Nobody has to say who they are on their own machine."""
    assert (await antiphon(settings, "pause", "--json")).document["by"] == getpass.getuser()
    nobody = await antiphon(settings, "resume", "--as", " ")
    assert nobody.status == 2
    assert nobody.complaint == "--as is empty: say who you are"
    assert [row["action"] for row in await guards.audit()] == ["pause"]


async def test_a_second_pause_leaves_the_first_as_it_is(
    settings: Settings, guards: Guardroom
) -> None:
    """Whoever comes second learns who was first and why; that is no mistake."""
    await antiphon(settings, "pause", "--as", "anna", "--reason", "deploy")
    second = await antiphon(settings, "pause", "--as", "ben", "--reason", "lunch")
    assert second.status == 0
    assert second.out.startswith("anna paused everything ")
    assert "ago, and it stays so: deploy" in second.out
    told = (await antiphon(settings, "pause", "--as", "ben", "--json")).document
    assert (told["new"], told["by"], told["reason"]) == (False, "anna", "deploy")
    assert len(await guards.audit()) == 1


async def test_a_pause_says_what_it_holds(settings: Settings, guards: Guardroom) -> None:
    """A mistyped name cannot be known for one, but what it holds shows it."""
    service = Service("orders", settings=settings)

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        assert failed

    async with running(service):
        pass
    await guards.client.zadd(guards.keys.subject_recoveries("api"), {"one": 1, "two": 2})
    await guards.client.pexpire(guards.keys.subject_recoveries("api"), HOUR_MS)
    await guards.client.zadd(guards.keys.open_recoveries, {"two": 2})
    for options, says in (
        (("--service", "orders"), "It holds orders.restart."),
        (("--service", "ordres"), "No handler of such a service is registered yet; there is: o"),
        (("--subject", "api"), "of 2 recoveries on record 1 is open."),
        (("--subject", "apo"), "No recovery about it is on record; it holds those to come."),
        ((), "It holds all handlers of the cell; 1 registered."),
    ):
        ended = await antiphon(settings, "pause", *options)
        _, holds, remedy = ended.out.splitlines()
        assert says in holds
        assert remedy == " ".join(("→ antiphon resume", *options))


async def test_resuming_brings_forward_what_that_pause_held(
    settings: Settings, guards: Guardroom
) -> None:
    """What it held is due at once; what others hold, or nobody, keeps its instant."""
    await guards.pause("service:orders")
    await guards.pause("*")
    await guards.hold("pause", "service:orders", entry="1-1")
    await guards.hold("pause", "service:orders", entry="1-2", group="orders.page")
    await guards.hold("pause", "*", entry="1-3")
    await guards.hold("rate", "service:orders", entry="1-4")
    ended = (await resumed(settings, "--service", "orders")).document
    assert (ended["freed"], ended["still_paused"]) == (2, ["*"])
    now = await guards.now_ms()
    assert now - 60_000 < (await guards.due(entry="1-1") or 0) <= now
    assert now - 60_000 < (await guards.due(entry="1-2", group="orders.page") or 0) <= now
    assert await guards.due(entry="1-3") == await guards.due(entry="1-4") == HELD_UNTIL_MS


async def test_what_runs_or_is_due_already_is_left_alone(
    settings: Settings, guards: Guardroom
) -> None:
    """A delivery that waits for nothing is not made to wait, nor made due twice."""
    await guards.pause("*")
    await guards.hold("pause", "*", entry="1-1")
    await guards.hold("pause", "*", entry="1-2")
    await guards.client.zrem(guards.keys.due("a.b"), "service.failed|1-1")
    await guards.client.zadd(guards.keys.due("a.b"), {"service.failed|1-2": 7})
    await resumed(settings)
    assert await guards.due(entry="1-1") is None
    assert await guards.due(entry="1-2") == 7


async def test_many_held_deliveries_are_all_brought_forward(
    settings: Settings, guards: Guardroom
) -> None:
    """However many pages of them there are."""
    await guards.pause("*")
    now = await guards.now_ms()
    entries = [f"{number}-0" for number in range(3000)]
    held = {f"service.failed|{entry}|a.b": f"pause|*|{now}" for entry in entries}
    due = {f"service.failed|{entry}": HELD_UNTIL_MS for entry in entries}
    await guards.client.hset(guards.keys.held, mapping=held)
    await guards.client.zadd(guards.keys.due("a.b"), due)
    assert (await resumed(settings)).document["freed"] == 3000
    assert await guards.client.zcount(guards.keys.due("a.b"), HELD_UNTIL_MS, "+inf") == 0


async def test_resuming_again_finishes_what_was_interrupted(
    settings: Settings, guards: Guardroom
) -> None:
    """A resume that died after its first step is done again, and brings forward what is left."""
    await guards.hold("pause", "subject:api")
    ended = (await resumed(settings, "--subject", "api")).document
    assert (ended["ended"], ended["freed"]) == (None, 1)
    assert (await guards.due() or 0) < HELD_UNTIL_MS


async def test_resuming_what_is_not_paused_is_a_mistake(
    settings: Settings, guards: Guardroom
) -> None:
    """It is more likely a slip than a wish, so that what is paused is named."""
    ended = await antiphon(settings, "resume", "--subject", "apo")
    assert ended.status == 2
    assert ended.complaint == "the subject apo is not paused; nothing is"
    await guards.pause("subject:api")
    await guards.pause("storm")
    ended = await antiphon(settings, "resume", "--subject", "apo")
    assert ended.complaint.endswith("paused is: what a storm brought, the subject api")
    assert await guards.audit() == []


async def test_one_thing_at_a_time(settings: Settings) -> None:
    """A service about a subject is not a scope; neither is a name of nothing."""
    both = await antiphon(settings, "pause", "--service", "orders", "--subject", "api")
    assert both.status == 2
    assert both.complaint == "name one: a service, a subject or the storm brake"
    assert (await antiphon(settings, "pause", "--service", " ")).status == 2
    assert (await antiphon(settings, "resume", "--storm", "--subject", "api")).status == 2


async def test_a_relapse_count_begins_anew_when_its_pause_ends(
    settings: Settings, guards: Guardroom
) -> None:
    """The next relapse would stop the subject again at once; other subjects keep their count."""
    for name in ("service.failed:api", "database.failed:api", "service.failed:api:2"):
        await guards.use("relapse", name, 3, HOUR_MS, 1000, 2000, 3000)
    await guards.pause("subject:api", by=RELAPSE_GUARD)
    ended = (await resumed(settings, "--subject", "api")).document
    assert ended["forgotten"] == ["database.failed:api", "service.failed:api"]
    windows = (await antiphon(settings, "guards", "--json")).document["windows"]
    assert [window["name"] for window in windows] == ["service.failed:api:2"]
    assert not await guards.client.exists(guards.keys.guard("relapse", "service.failed:api"))


async def test_a_relapse_count_outlives_a_pause_of_a_person(
    settings: Settings, guards: Guardroom
) -> None:
    """Whoever paused for a deploy has not looked at what does not hold."""
    await guards.use("relapse", "service.failed:api", 3, HOUR_MS, 1000, 2000)
    await guards.pause("subject:api", by="anna")
    assert (await resumed(settings, "--subject", "api")).document["forgotten"] == []
    [window] = (await antiphon(settings, "guards", "--json")).document["windows"]
    assert window["used"] == 2


async def test_releasing_the_storm_brake_counts_subjects_anew(
    settings: Settings, guards: Guardroom
) -> None:
    """What it parked is due, and the next new recovery does not trip it again."""
    await guards.pause("storm", by=STORM_BRAKE)
    await guards.hold("storm", "storm")
    await guards.client.zadd(guards.keys.storm, {"api": await guards.now_ms()})
    await guards.client.pexpire(guards.keys.storm, 60_000)
    ended = await antiphon(settings, "resume", "--storm", "--as", "anna")
    assert ended.out == "Resumed what a storm brought; 1 delivery was held.\n"
    assert not await guards.client.exists(guards.keys.storm, guards.keys.pauses)
    assert (await guards.due() or 0) < HELD_UNTIL_MS


async def test_nothing_is_switched_without_a_note_of_who_did_it(
    settings: Settings, guards: Guardroom
) -> None:
    """An audit that takes no entry refuses the switch as a whole."""
    await guards.client.set(guards.keys.audit, "no stream")
    assert (await antiphon(settings, "pause", "--as", "anna")).status != 0
    assert not await guards.client.exists(guards.keys.pauses)
    await guards.pause("*")
    assert (await antiphon(settings, "resume", "--as", "ben")).status != 0
    assert await guards.client.hexists(guards.keys.pauses, "*")

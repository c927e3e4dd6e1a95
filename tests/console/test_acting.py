"""What people do in the console, and who may: roles, forged forms, refusals, and the audit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from antiphon import Publisher, Settings
from antiphon.audit import AuditRow
from antiphon.broker.approvals import Approvals, Ask
from antiphon.broker.auditing import latest
from antiphon.broker.deadletters import DeadLetters
from antiphon.broker.errand import Errand
from antiphon.deadletter import Choice, DeadLetter
from antiphon_events import DatabaseFailed, ServiceFailed
from console_shop import opened_shop
from consoles import ORIGIN, House, words
from escalating import giving_up
from support import until
from witness import Witness, running

ACTIONS = (
    "/approvals/answer", "/letters/replay", "/letters/drop", "/guards/reset", "/pauses/pause",
    "/pauses/resume", "/escalations/ack", "/recovery/cancel",
)  # fmt: skip
PAGES = ("/recoveries", "/approvals", "/letters", "/guards", "/pauses", "/escalations", "/audit")


@pytest.fixture
async def repaired(settings: Settings) -> AsyncIterator[list[bool]]:
    """The shop at work; whatever is put in repairs it."""
    done: list[bool] = []
    async with running(opened_shop(settings, lambda: bool(done))):
        yield done


async def asked(settings: Settings, errand: Errand, source: str = "dora") -> Ask:
    """A step that waits for ana, ben or cleo."""
    async with Publisher(settings, source=source) as publisher:
        await publisher.publish(DatabaseFailed(subject="orders-db"))
    [ask] = await until(Approvals(errand).waiting, 20)
    return ask


async def died(settings: Settings, errand: Errand) -> DeadLetter:
    """A step that was given up."""
    async with Publisher(settings) as publisher:
        await publisher.publish(ServiceFailed(subject="orders-api"))

    async def letters() -> list[DeadLetter]:
        return [one async for one in DeadLetters(errand).newest_first(Choice())]

    [letter] = await until(letters, 20)
    return letter


async def audited(errand: Errand) -> AuditRow:
    """What was done last."""
    return (await latest(errand))[0]


async def kept(errand: Errand) -> tuple[str, ...]:
    """All that the audit keeps of it but when."""
    row = await audited(errand)
    return row.action, row.what, row.by, row.reason


@pytest.mark.parametrize("path", ACTIONS)
async def test_a_viewer_cannot_act(house: House, errand: Errand, path: str) -> None:
    """Whatever a viewer sends is refused in plain words, and nothing is done."""
    cleo = await house.visitor("cleo")
    refused = await cleo.post(path, {"csrf": await cleo.csrf()})
    assert refused.status_code == 403
    assert "cleo is a viewer here, and a viewer cannot act." in words(refused.text)
    assert await latest(errand) == []


@pytest.mark.parametrize("path", ACTIONS)
async def test_a_stranger_cannot_act(house: House, path: str) -> None:
    """Without a session nothing is done either."""
    assert (await house.stranger().post(path, {"csrf": "x"})).status_code == 401


@pytest.mark.parametrize("path", ACTIONS)
async def test_a_forged_form_does_nothing(house: House, errand: Errand, path: str) -> None:
    """Another site can make a browser send a form, and cannot know what ours carry."""
    ana, ben = await house.visitor("ana"), await house.visitor("ben")
    own = {"csrf": await ana.csrf()}
    attempts = (
        ({"x": "1"}, ORIGIN),
        ({"csrf": ""}, ORIGIN),
        ({"csrf": "guessed"}, ORIGIN),
        ({"csrf": await ben.csrf()}, ORIGIN),
        (own, {"Origin": "http://["}),
        (own, {"Origin": "https://evil.example"}),
        (own, {"Origin": "null"}),
        (own, {"Sec-Fetch-Site": "cross-site"}),
        (own, {"Sec-Fetch-Site": "same-site"}),
    )
    for fields, headers in attempts:
        assert (await ana.post(path, fields, headers)).status_code == 403
    assert await latest(errand) == []


async def test_a_form_is_a_form(house: House) -> None:
    """Other content is refused, and so is one without an end."""
    ana = await house.visitor("ana")
    sent = await ana.client.post("/pauses/pause", json={"csrf": "x"}, headers=ORIGIN)
    assert sent.status_code == 415
    long = await ana.post("/pauses/pause", {"csrf": await ana.csrf(), "reason": "x" * 70_000})
    assert long.status_code == 413
    long = await ana.post("/pauses/pause", {"csrf": await ana.csrf(), "reason": "x" * 5000})
    assert long.status_code == 413
    many = {f"field-{number}": "x" * 1000 for number in range(70)}
    assert (await ana.post("/pauses/pause", {"csrf": await ana.csrf()} | many)).status_code == 413
    assert (await ana.get("/pauses/pause")).status_code == 405


async def test_what_came_of_it_waits_to_be_read(house: House) -> None:
    """Only a page that is shown tells it; of very many, the newest."""
    ana = await house.visitor("ana")
    csrf = await ana.csrf()
    for number in range(30):
        await ana.post("/pauses/resume", {"csrf": csrf, "scope": f"service:shop-{number}"})
    await ana.client.head("/recoveries")
    told = (await ana.words("/recoveries")).count("is not paused")
    assert told == 10


async def test_a_step_is_approved(
    house: House, settings: Settings, errand: Errand, repaired: list[bool], witness: Witness
) -> None:
    """It runs, and the audit knows who let it and why."""
    ask = await asked(settings, errand)
    ana = await house.visitor("ana")
    for path in ("/approvals", f"/recovery?id={ask.correlation_id}"):
        assert "Approve Deny" in await ana.words(path)
    fields = {"approval": ask.id, "decision": "approve", "reason": "the backup is fresh"}
    told = await ana.acts("/approvals/answer", **fields, next=f"/recovery?id={ask.correlation_id}")
    assert "Done. Approved by ana: shop.restore about orders-db runs." in told
    await witness.closed(ask.correlation_id)
    deed = await audited(errand)
    assert (deed.action, deed.what, deed.by) == ("approve", ask.id, "ana")
    assert deed.reason == "the backup is fresh"
    assert "ana approve" in await ana.words("/audit")
    assert "Done." not in await ana.words("/audit")  # it is told once
    again = await ana.acts("/approvals/answer", **fields)
    assert "Refused: too late: shop.restore about orders-db has run" in again


async def test_a_refusal_is_told_in_words(
    house: House, settings: Settings, errand: Errand, repaired: list[bool]
) -> None:
    """Who asked for a recovery cannot approve of it, and nobody can without a reason."""
    ask = await asked(settings, errand, source="ana")
    ana = await house.visitor("ana")
    fields = {"approval": ask.id, "decision": "approve"}
    assert "Refused: ana asked for this recovery" in await ana.acts(
        "/approvals/answer", **fields, reason="mine"
    )
    assert "Refused: say why" in await ana.acts("/approvals/answer", **fields, reason=" ")
    fields["decision"] = "perhaps"
    assert "is no answer" in await ana.acts("/approvals/answer", **fields, reason="x")
    assert [one.id for one in await Approvals(errand).waiting()] == [ask.id]
    ben = await house.visitor("ben")
    fields["decision"] = "deny"
    told = await ben.acts("/approvals/answer", **fields, reason="not on a Friday")
    assert "Denied by ben: shop.restore about orders-db does not run." in told
    assert await kept(errand) == ("deny", ask.id, "ben", "not on a Friday")


async def test_a_recovery_is_cancelled(
    house: House, settings: Settings, errand: Errand, repaired: list[bool], witness: Witness
) -> None:
    """With a reason, and once."""
    ask = await asked(settings, errand)
    ana = await house.visitor("ana")
    fields = {"recovery": ask.correlation_id}
    assert "Refused: say why" in await ana.acts("/recovery/cancel", **fields, reason="")
    told = await ana.acts("/recovery/cancel", **fields, reason="a drill")
    assert "Done. Cancelled by ana" in told
    await witness.closed(ask.correlation_id, verdict="cancelled")
    assert await kept(errand) == ("cancel", ask.correlation_id, "ana", "a drill")
    assert "is over, as cancelled" in await ana.acts("/recovery/cancel", **fields, reason="x")
    assert "Cancel the recovery" not in await ana.words(f"/recovery?id={ask.correlation_id}")


async def test_a_dead_letter_is_replayed(
    house: House, settings: Settings, errand: Errand, repaired: list[bool], witness: Witness
) -> None:
    """Its recovery goes on; the audit knows who wanted it to."""
    letter = await died(settings, errand)
    ana = await house.visitor("ana")
    one = f"/recovery?id={letter.correlation_id}"
    assert "What died shop.restart on service.failed after 1 attempt" in await ana.words(one)
    repaired.append(True)
    told = await ana.acts("/letters/replay", letter=letter.id, reason="repaired", next=one)
    assert f"Done. {letter.id} is on its way to shop.restart." in told
    await witness.closed(letter.correlation_id)
    assert "What died" not in await ana.words(one)
    deed = await audited(errand)
    assert (deed.action, deed.what, deed.by) == ("replay", letter.id, "ana")
    assert deed.reason == "repaired"
    assert "Refused: there is no dead letter" in await ana.acts("/letters/replay", letter=letter.id)


async def test_a_dead_letter_is_thrown_away(
    house: House, settings: Settings, errand: Errand, repaired: list[bool]
) -> None:
    """With a reason, from its own page."""
    letter = await died(settings, errand)
    ana = await house.visitor("ana")
    assert "Throw away" in await ana.words(f"/letter?id={letter.id}")
    assert "Refused: say why" in await ana.acts("/letters/drop", letter=letter.id)
    told = await ana.acts("/letters/drop", letter=letter.id, reason="obsolete")
    assert f"Done. {letter.id} was thrown away." in told
    deed = await audited(errand)
    assert (deed.action, deed.what, deed.by) == ("drop", letter.id, "ana")
    assert (await ana.get(f"/letter?id={letter.id}")).status_code == 404


async def test_what_cannot_be_audited_is_not_done(
    settings: Settings, errand: Errand, house: House
) -> None:
    """Pausing, resuming, resetting and throwing away change nothing then."""
    keys, client = errand.keys, cast("Any", errand.client)
    letter = await client.xadd(keys.dead, {"deadgroup": "a.b"})
    await client.zadd(keys.guards, {"breaker|db|3|1000": 9e12})
    await client.hset(keys.guard("breaker", "db"), mapping={"state": "open"})
    await client.expire(keys.guard("breaker", "db"), 600)
    await client.hset(keys.pauses, "service:shop", "{}")
    ana = await house.visitor("ana")
    form = {"csrf": await ana.csrf(), "reason": "a drill"}
    await client.set(keys.audit, "not a stream", ex=600)
    for path, fields in (
        ("/letters/drop", {"letter": letter.decode()}),
        ("/guards/reset", {"kind": "breaker", "name": "db"}),
        ("/pauses/pause", {"what": "everything"}),
        ("/pauses/resume", {"scope": "service:shop"}),
    ):
        assert (await ana.post(path, form | fields)).status_code != 200, path
    assert await client.xlen(keys.dead) == 1
    assert await client.exists(keys.guard("breaker", "db"))
    assert await client.hkeys(keys.pauses) == [b"service:shop"]
    await client.delete(keys.audit)


async def test_a_letter_is_thrown_away_once(errand: Errand) -> None:
    """However many do it at once, one did, and the audit has one row."""
    client: Any = errand.client
    letter = (await client.xadd(errand.keys.dead, {"deadgroup": "a.b"})).decode()
    letters = DeadLetters(errand)
    found = await letters.find(letter)
    assert found
    gone = replace(found, id="1-1")
    drops = (letters.drop([found, gone], by="ana") for _ in range(6))
    assert sorted(await asyncio.gather(*drops)) == [0, 0, 0, 0, 0, 1]
    [row] = await latest(errand)
    assert (row.action, row.what, row.by) == ("drop", letter, "ana")


async def test_a_service_is_paused_and_resumed(
    house: House, settings: Settings, errand: Errand, repaired: list[bool]
) -> None:
    """The switch is the one that commands use: who threw it is shown to everybody."""
    ana, cleo = await house.visitor("ana"), await house.visitor("cleo")
    pause = {"what": "service", "service": "shop", "reason": "a drill"}
    told = await ana.acts("/pauses/pause", **pause)
    assert "Done. Paused the service shop" in told
    assert await kept(errand) == ("pause", "service:shop", "ana", "a drill")
    assert "ana had paused the service shop already" in await ana.acts("/pauses/pause", **pause)
    seen = await cleo.words("/pauses")
    assert "the service shop is paused By ana, " in seen
    assert "Because a drill" in seen
    assert "Resume" not in seen
    resume = {"scope": "service:shop", "reason": "it is over"}
    assert "Done. Resumed the service shop" in await ana.acts("/pauses/resume", **resume)
    assert "Refused: the service shop is not paused" in await ana.acts("/pauses/resume", **resume)
    assert [deed.action for deed in await latest(errand)] == ["resume", "pause"]
    assert await kept(errand) == ("resume", "service:shop", "ana", "it is over")
    for wrong in ({"what": "subject", "subject": " "}, {"what": "all"}, {}):
        assert "Refused:" in await ana.acts("/pauses/pause", **wrong, reason="x")


async def test_a_guard_is_reset(
    house: House, settings: Settings, errand: Errand, repaired: list[bool]
) -> None:
    """It is shown with what it counts, and counts from nothing afterwards."""
    await errand.client.zadd(errand.keys.guards, {"budget|restart:orders-api|3|600000": 2**53})
    state = errand.keys.guard("budget", "restart:orders-api")
    await errand.client.zadd(state, {"one": 2**52})
    await errand.client.expire(state, 600)
    ana = await house.visitor("ana")
    assert "restart:orders-api budget 1 of 3 within 10m" in await ana.words("/guards")
    fields = {"kind": "budget", "name": "restart:orders-api"}
    assert "Refused: say why" in await ana.acts("/guards/reset", **fields)
    told = await ana.acts("/guards/reset", **fields, reason="it was us")
    assert "Done. Reset budget restart:orders-api; 0 deliveries were held." in told
    assert await kept(errand) == ("reset", "budget|restart:orders-api", "ana", "it was us")
    assert "No guard holds or counts anything." in await ana.words("/guards")
    assert "Refused: no budget named" in await ana.acts("/guards/reset", **fields, reason="x")


async def test_an_escalation_is_acknowledged(
    house: House, settings: Settings, errand: Errand, repaired: list[bool]
) -> None:
    """Nobody further up is told, and everybody sees who has it."""
    ask = await asked(settings, errand)
    await errand.gatherer.run(giving_up(errand.keys, settings, ask.correlation_id))
    ana = await house.visitor("ana")
    assert "Acknowledge" in await ana.words("/escalations")
    fields = {"recovery": ask.correlation_id}
    told = await ana.acts("/escalations/ack", **fields, reason="looking")
    assert "Done. Acknowledged by ana: nobody further up is told." in told
    assert "Nobody waits to be heard." in told
    assert await kept(errand) == ("acknowledge", ask.correlation_id, "ana", "looking")
    ben = await house.visitor("ben")
    assert "ana had acknowledged it already" in await ben.acts("/escalations/ack", **fields)
    assert "acknowledged by ana" in await ben.words("/recoveries")


async def test_a_viewer_sees_no_buttons(
    house: House, settings: Settings, errand: Errand, repaired: list[bool]
) -> None:
    """What cannot be pressed is not shown; what can be read is."""
    ask = await asked(settings, errand)
    letter = await died(settings, errand)
    cleo = await house.visitor("cleo")
    paths = (*PAGES, f"/recovery?id={ask.correlation_id}", f"/letter?id={letter.id}")
    for path in paths:
        page = await cleo.page(path)
        actions = [action for action in ACTIONS if f'action="{action}"' in page]
        assert actions == [], path
    assert "shop.restore about orders-db" in await cleo.words("/approvals")

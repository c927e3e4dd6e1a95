"""``antiphon dead``: what died can be looked at, delivered again, or thrown away."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from antiphon import PermanentError, Service, Settings
from antiphon.trace import Trace
from antiphon_events import ServiceFailed, ServiceRestarted
from program import antiphon
from support import until
from witness import Witness, running

GROUP = "orders.restart"


@dataclass
class Orders:
    """A service whose first handler fails until it is healed; the second never does."""

    service: Service
    broken: bool = True
    paged: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Settings) -> Orders:
        orders = cls(Service("orders", settings=settings))

        @orders.service.on(ServiceFailed)
        async def restart(failed: ServiceFailed) -> ServiceRestarted:
            if orders.broken:
                raise PermanentError("the disk is [red]full[/red]")
            return ServiceRestarted(subject=failed.subject)

        @orders.service.on(ServiceFailed)
        async def page(failed: ServiceFailed) -> None:
            orders.paged.append(failed.subject)

        return orders


@pytest.fixture
def orders(settings: Settings) -> Orders:
    return Orders.of(settings)


async def listed(settings: Settings, *options: str) -> list[dict[str, Any]]:
    ended = await antiphon(settings, "dead", "list", "--json", *options)
    assert ended.status == 0, ended.err
    letters: list[dict[str, Any]] = ended.document
    return letters


async def died(orders: Orders, witness: Witness, subject: str = "api") -> str:
    """Publish a failure, and wait until its recovery is over; one of its two steps died."""
    receipt = await orders.service.publish(ServiceFailed(subject=subject, reason="gone"))
    await witness.closed(receipt.correlation_id, verdict="partial")
    return receipt.correlation_id


async def test_a_dead_letter_tells_its_story(
    settings: Settings, witness: Witness, orders: Orders
) -> None:
    """List and show say what died, where, why, how to trace it and how to deliver it again."""
    async with running(orders.service):
        correlation_id = await died(orders, witness)
        await died(orders, witness, "web")
    newest, letter = await listed(settings)
    assert (newest["subject"], letter["subject"]) == ("web", "api")
    assert await listed(settings, "--limit", "1") == [newest]
    assert await listed(settings, "--subject", "api") == [letter]
    assert await listed(settings, "--correlation-id", correlation_id) == [letter]
    assert await listed(settings, "--group", "orders.page") == []
    assert letter["group"] == GROUP
    assert letter["error"] == "PermanentError: the disk is [red]full[/red]"
    assert letter["fields"]["data"] == '{"reason":"gone"}'

    table = (await antiphon(settings, "dead", "list", "--group", GROUP)).out
    assert "PermanentError: the disk is [red]full[/red]" in table
    shown = (await antiphon(settings, "dead", "show", letter["id"])).out
    for fact in (
        '{"reason":"gone"}',
        "PermanentError: the disk is [red]full[/red]",
        f"antiphon trace {correlation_id}",
        f"antiphon dead replay {letter['id']}",
    ):
        assert fact in shown


async def test_a_replay_reopens_a_closed_recovery(
    settings: Settings, witness: Witness, orders: Orders
) -> None:
    """The letter goes to the group it died in alone, and the recovery closes with a new verdict."""
    async with running(orders.service):
        correlation_id = await died(orders, witness)
        [letter] = await listed(settings)
        orders.broken = False
        ended = await antiphon(settings, "dead", "replay", letter["id"])
        assert ended.status == 0, ended.err
        assert f"antiphon trace {correlation_id}" in ended.out
        record = await closed_again(witness, correlation_id)
    trace = Trace.from_ledger(record.ledger, (), record.summary)
    first, second = trace.periods
    assert (first.verdict, second.verdict) == ("partial", "completed")
    assert second.reopening is not None
    assert (second.reopening.dead, second.reopening.group) == (letter["id"], GROUP)
    assert second.reopening.by
    assert f'"by":"{second.reopening.by}","reason":"","event":"letter.replayed"' in ended.err
    assert trace.closed_between == ((first.closed, second.opened),)
    assert record.summary.verdict == "completed"
    assert (record.summary.done, record.summary.dead) == (2, 0)
    assert orders.paged == ["api"]
    assert await listed(settings) == []
    restarted = await witness.entries("service.restarted")
    assert [entry["correlationid"] for entry in restarted] == [correlation_id]


async def closed_again(witness: Witness, correlation_id: str) -> Any:
    async def over() -> Any:
        record = await witness.record(correlation_id)
        return record if record and record.summary.closes > 1 else None

    return await until(over, 30)


async def test_what_a_bare_xadd_wrote_can_be_replayed(
    settings: Settings, witness: Witness, orders: Orders
) -> None:
    """It stays the same event of the same recovery, though it never named either."""
    async with running(orders.service):
        await witness.xadd("service.failed", {"subject": "api"})
        [letter] = await until(lambda: listed(settings), 30)
        await witness.closed(letter["correlation_id"], verdict="partial")
        orders.broken = False
        assert (await antiphon(settings, "dead", "replay", letter["id"])).status == 0
        record = await closed_again(witness, letter["correlation_id"])
    assert record.summary.verdict == "completed"
    assert orders.paged == ["api"]


async def test_an_entry_cannot_pass_for_another_groups_letter(
    settings: Settings, witness: Witness, orders: Orders
) -> None:
    """Where a letter goes is what Antiphon wrote, whatever fields the entry came with."""
    async with running(orders.service):
        forged = {"subject": "api", "deadgroup": "orders.page", "deadcorrelation": "other"}
        await witness.xadd("service.failed", forged)
        [letter] = await until(lambda: listed(settings), 30)
        await witness.closed(letter["correlation_id"], verdict="partial")
    assert letter["group"] == GROUP
    assert letter["correlation_id"] == letter["event"]


async def test_an_entry_with_an_unreadable_id_can_be_replayed(
    settings: Settings, witness: Witness, orders: Orders
) -> None:
    """It is delivered under the ids its recovery was recorded by."""
    orders.broken = False
    async with running(orders.service):
        await witness.xadd("service.failed", {"subject": "api", "correlationid": "x" * 300})
        letter, other = await until(lambda: _two(settings), 30)
        assert "correlationid" in letter["error"]
        assert letter["correlation_id"] == other["correlation_id"]
        await witness.closed(letter["correlation_id"], verdict="failed")
        assert (await antiphon(settings, "dead", "replay", "--all")).status == 0
        record = await closed_again(witness, letter["correlation_id"])
        await until(lambda: orders.paged == ["api"])
    assert record is not None


async def _two(settings: Settings) -> list[dict[str, Any]]:
    found = await listed(settings)
    return found if len(found) == 2 else []


async def test_replaying_all_ends_when_letters_die_again(
    settings: Settings, witness: Witness, orders: Orders
) -> None:
    """Each letter there was is delivered once; those that die meanwhile wait for another replay."""
    async with running(orders.service):
        first, second = [await died(orders, witness, name) for name in ("api", "web")]
        before = await listed(settings)
        ended = await antiphon(settings, "dead", "replay", "--all", "--group", GROUP, "--json")
        assert ended.status == 0
        assert [one["id"] for one in ended.document] == [one["id"] for one in reversed(before)]
        assert [one["correlation_id"] for one in ended.document] == [first, second]
        for correlation_id in (first, second):
            record = await closed_again(witness, correlation_id)
            assert (record.summary.verdict, record.summary.dead) == ("partial", 1)
    assert len(await listed(settings)) == 2


async def test_a_letter_of_an_unknown_group_is_refused(
    settings: Settings, witness: Witness, orders: Orders
) -> None:
    """Nobody would read it; the refusal says what to do, and the others are still delivered."""
    async with running(orders.service):
        await died(orders, witness)
    await witness.client.hdel(witness.keys.groups, GROUP)
    [letter] = await listed(settings)
    ended = await antiphon(settings, "dead", "replay", letter["id"])
    assert ended.status == 1
    assert f"its group {GROUP} is not registered" in ended.complaint
    assert f"antiphon dead drop {letter['id']}" in ended.complaint
    ended = await antiphon(settings, "dead", "replay", "--all", "--json")
    assert ended.status == 1
    assert ended.document[0]["entry"] is None
    assert await listed(settings) == [letter]
    assert await witness.open_recoveries() == []


async def test_a_letter_without_content_is_refused(settings: Settings, witness: Witness) -> None:
    """An entry that was deleted while its handler ran died with nothing to deliver again."""
    service, begun, deleted = Service("orders", settings=settings), asyncio.Event(), asyncio.Event()

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        begun.set()
        await deleted.wait()
        raise PermanentError(f"{failed.subject} cannot be restarted")

    async with running(service):
        receipt = await service.publish(ServiceFailed(subject="api"))
        await begun.wait()
        await witness.client.xdel(witness.keys.events("service.failed"), receipt.entry_id)
        deleted.set()
        await witness.closed(receipt.correlation_id, verdict="failed")
    [letter] = await listed(settings)
    assert letter["fields"] == {}
    ended = await antiphon(settings, "dead", "replay", letter["id"])
    assert ended.status == 1
    assert ended.complaint.endswith("so its content is lost")
    assert (
        "cannot be delivered again" in (await antiphon(settings, "dead", "show", letter["id"])).out
    )


async def test_dropping_asks_first(settings: Settings, witness: Witness, orders: Orders) -> None:
    """Letters are gone for good, so that nobody loses them by a slip."""
    async with running(orders.service):
        for name in ("api", "web"):
            await died(orders, witness, name)
    refused = await antiphon(settings, "dead", "drop", "--all", "--json", answer="n\n")
    assert (refused.status, refused.out.strip()) == (1, "")
    assert "Throw 2 dead letters away for good?" in refused.err
    dropped = await antiphon(settings, "dead", "drop", "--all", "--subject", "api", answer="y\n")
    assert dropped.status == 0
    assert dropped.out.strip() == "Dropped 1 dead letter."
    [left] = await listed(settings)
    assert left["subject"] == "web"
    ended = await antiphon(settings, "dead", "drop", left["id"], "--yes", "--json")
    assert (ended.status, ended.document) == (0, {"dropped": 1})
    assert await listed(settings) == []


async def test_who_threw_a_letter_away_is_on_record(
    settings: Settings, witness: Witness, orders: Orders
) -> None:
    """The trace, explain and the report say who and why; so does a log line, with the recovery."""
    async with running(orders.service):
        correlation_id = await died(orders, witness)
    [letter] = await listed(settings)
    ended = await antiphon(
        settings, "dead", "drop", letter["id"], "--yes", "--as", "ana", "--reason", "rebuilt"
    )
    assert ended.out.strip() == "Dropped 1 dead letter."
    line = json.loads(ended.err)
    assert {name: line[name] for name in line if name not in {"timestamp", "level"}} == {
        "event": "letter.discarded",
        "correlation_id": correlation_id,
        "group": GROUP,
        "event_id": letter["event"],
        "dead_entry": letter["id"],
        "by": "ana",
        "reason": "rebuilt",
    }
    said = f"dead letter {letter['id']} thrown away by ana: rebuilt"
    assert said in (await antiphon(settings, "trace", correlation_id)).out
    explained = (await antiphon(settings, "explain", correlation_id)).out
    assert "; its dead letter was thrown away by ana: rebuilt" in explained
    assert "antiphon dead replay" not in explained
    report = (await antiphon(settings, "report", correlation_id)).out
    assert f"ana threw away a dead letter of {GROUP}: rebuilt" in report
    refused = await antiphon(settings, "dead", "show", letter["id"])
    assert refused.status == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["show", "1-1"], "there is no dead letter '1-1' in the cell"),
        (["replay", "1-1"], "there is no dead letter '1-1' in the cell"),
        (["drop", "first"], "there is no dead letter 'first' in the cell"),
        (["replay"], "say which: give the ids of dead letters, or --all"),
        (["drop", "1-1", "--all"], "say which: give the ids of dead letters, or --all"),
        (["drop", "1-1", "--group", "a.b"], "--group, --subject and --correlation-id go with"),
    ],
)
async def test_a_mistake_is_one_line_and_changes_nothing(
    settings: Settings, arguments: list[str], complaint: str
) -> None:
    """Whatever could mean other letters than was thought is refused."""
    ended = await antiphon(settings, "dead", *arguments)
    assert ended.status == 2
    assert ended.complaint.startswith(complaint)

"""``antiphon approvals``, ``approve`` and ``deny``: people answer from a terminal."""

from __future__ import annotations

import getpass
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from antiphon import Approval, Service, Settings
from antiphon.broker.approvals import Approvals, Ask
from antiphon.broker.errand import Errand
from antiphon_events import DatabaseFailed, DatabaseRestored
from program import Ended, antiphon
from support import until
from witness import Witness, running

ANYBODY = Approval(within=None)


@dataclass(frozen=True)
class Desk:
    """A step that waits for people, and the terminal they answer at."""

    settings: Settings
    ask: Ask

    async def types(self, command: str, who: str, reason: str = "seen it", *more: str) -> Ended:
        return await antiphon(
            self.settings, command, self.ask.id, "--as", who, "--reason", reason, *more
        )


@asynccontextmanager
async def asking(settings: Settings, approval: Approval, *publishing: str) -> AsyncIterator[Desk]:
    """Run a service whose restore needs approval, and have it asked for by a command."""
    service = Service("shop", settings=settings)

    @service.on(DatabaseFailed, approval=approval)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject=failed.subject)

    async with running(service), Errand.begin(settings) as errand:
        published = await antiphon(
            settings, "publish", "database.failed", "-s", "orders-db", *publishing
        )
        assert published.status == 0, published.err
        [ask] = await until(Approvals(errand).waiting, 20)
        yield Desk(settings, ask)


async def test_a_step_is_approved_from_a_terminal(settings: Settings, witness: Witness) -> None:
    """It runs, and who let it is in the record, with the reason."""
    async with asking(settings, Approval(("ana", "ben")), "--as", "carl") as desk:
        ended = await desk.types("approve", "ana", "the backup is fresh")
        assert ended.status == 0, ended.err
        assert ended.out == "Approved by ana: shop.restore about orders-db runs.\n"
        await witness.closed(desk.ask.correlation_id)
    await witness.told(desk.ask.correlation_id, "approved", by="ana", reason="the backup is fresh")
    logged = json.loads(ended.err)
    assert (logged["event"], logged["approval"]) == ("approval.granted", desk.ask.id)
    assert (logged["by"], logged["reason"]) == ("ana", "the backup is fresh")


async def test_two_must_agree_and_the_first_is_told_so(
    settings: Settings, witness: Witness
) -> None:
    """One answer counts once; the second lets it run."""
    async with asking(settings, Approval(("ana", "ben"), quorum=2), "--as", "carl") as desk:
        first = await desk.types("approve", "ana")
        assert first.out == (
            "Approved by ana: 1 of 2 have agreed, and shop.restore about orders-db waits for the "
            "others.\n"
        )
        again = await desk.types("approve", "ana")
        assert (again.status, again.out) == (1, "")
        assert again.complaint.startswith("ana has answered already")
        listed = await antiphon(settings, "approvals")
        assert "1/2" in listed.out
        second = (await desk.types("approve", "ben", "seen it", "--json")).document
        assert (second["state"], second["votes"], second["quorum"]) == ("granted", 2, 2)
        assert (second["approval"], second["by"]) == (desk.ask.id, "ben")
        await witness.closed(desk.ask.correlation_id)


async def test_one_who_denies_ends_it(settings: Settings, witness: Witness) -> None:
    """The step does not run; whoever comes later learns who decided."""
    async with asking(settings, Approval(("ana", "ben")), "--as", "carl") as desk:
        ended = await desk.types("deny", "ben", "not on a Friday")
        assert ended.out == "Denied by ben: shop.restore about orders-db does not run.\n"
        record = await witness.closed(desk.ask.correlation_id, verdict="failed")
        late = await desk.types("approve", "ana")
    assert late.status == 1
    assert "was denied by ben" in late.complaint
    assert record.summary.reasons == (
        "shop.restore: suppressed by approval: denied by ben: not on a Friday",
    )


@pytest.mark.parametrize("command", ["approve", "deny"])
async def test_not_everybody_may_answer(settings: Settings, witness: Witness, command: str) -> None:
    """Neither a stranger, nor whoever asked for the recovery; the step goes on waiting."""
    async with asking(settings, Approval(("ana", "carl")), "--as", "carl") as desk:
        stranger = await desk.types(command, "dora")
        assert (stranger.status, stranger.out) == (1, "")
        assert stranger.complaint.startswith("dora may not answer for shop.restore")
        requester = await desk.types(command, "carl")
        assert requester.status == 1
        assert requester.complaint.startswith("carl asked for this recovery")
        unknown = await antiphon(settings, command, "no-such", "--reason", "x")
        assert unknown.status == 1
        assert "`antiphon approvals` lists those that wait" in unknown.complaint
        assert (await desk.types("approve", "ana")).status == 0
        await witness.closed(desk.ask.correlation_id)


async def test_whoever_publishes_asks_for_the_recovery(
    settings: Settings, witness: Witness
) -> None:
    """The login name counts on both sides, so nobody approves of what they asked for."""
    async with asking(settings, ANYBODY) as desk:
        assert desk.ask.requester == getpass.getuser()
        own = await antiphon(settings, "approve", desk.ask.id, "--reason", "mine")
        assert own.status == 1
        assert (await desk.types("approve", "ana")).status == 0
        record = await witness.closed(desk.ask.correlation_id)
    assert record.summary.source == getpass.getuser()


async def test_what_waits_is_listed(settings: Settings, witness: Witness) -> None:
    """Everything needed to answer, in a line each and as JSON."""
    assert (await antiphon(settings, "approvals")).out == "Nothing waits for an approval.\n"
    assert (await antiphon(settings, "approvals", "--json")).document == []
    approval = Approval(("ana", "ben"), within="15m", otherwise="deny")
    async with asking(settings, approval, "--as", "carl") as desk:
        heading, line = (await antiphon(settings, "approvals")).out.splitlines()
        assert heading.split() == [
            "id", "step", "subject", "recovery", "who", "may", "votes", "expires", "requester",
        ]  # fmt: skip
        recovery = desk.ask.correlation_id
        assert line.split()[:8] == [
            desk.ask.id, "shop.restore", "orders-db", recovery, "ana,", "ben", "0/1", "in",
        ]  # fmt: skip
        assert line.split()[-1] == "carl"
        [told] = (await antiphon(settings, "approvals", "--json")).document
        assert told.pop("asked") < told.pop("expires")
        assert told == {
            "id": desk.ask.id,
            "step": "shop.restore",
            "event_type": "database.failed",
            "event_id": desk.ask.event_id,
            "subject": "orders-db",
            "correlation_id": recovery,
            "requester": "carl",
            "who": ["ana", "ben"],
            "quorum": 1,
            "votes": [],
            "otherwise": "deny",
            "tier": 1,
        }
        await desk.types("approve", "ana")
        await witness.closed(recovery)
    assert (await antiphon(settings, "approvals", "--json")).document == []


async def test_an_approval_without_a_limit_never_expires(
    settings: Settings, witness: Witness
) -> None:
    """Anybody may give it, at any time."""
    async with asking(settings, ANYBODY, "--as", "carl") as desk:
        listed = (await antiphon(settings, "approvals")).out
        assert "anybody" in listed
        assert "never" in listed
        await desk.types("approve", "dora")
        await witness.closed(desk.ask.correlation_id)


async def test_the_trace_says_whom_to_ask(settings: Settings, witness: Witness) -> None:
    """Whoever wonders why nothing happens finds the command; afterwards, who it was."""
    async with asking(settings, Approval(("ana", "ben"), within=None), "--as", "carl") as desk:
        recovery = desk.ask.correlation_id
        waiting = (await antiphon(settings, "trace", recovery)).out
        flat = " ".join(waiting.split())
        assert (
            f"waits for approval {desk.ask.id} by ana or ben: antiphon approve {desk.ask.id}"
        ) in flat
        await desk.types("approve", "ana", "the backup is fresh")
        await witness.closed(recovery)
        over = (await antiphon(settings, "trace", recovery)).out
    assert f"asked for approval {desk.ask.id}: ana or ben" in over
    assert "approved by ana: the backup is fresh" in over
    told = (await antiphon(settings, "trace", recovery, "--json")).document
    assert [(one["id"], one["state"]) for one in told["approvals"]] == [(desk.ask.id, "granted")]
    assert told["requester"] == "carl"


async def test_an_answer_needs_a_reason(settings: Settings) -> None:
    """Whoever reads the record later was not there."""
    for command in ("approve", "deny"):
        ended = await antiphon(settings, command, "a1")
        assert ended.status == 2
        assert "--reason" in ended.err

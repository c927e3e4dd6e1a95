"""``antiphon cancel``: a person ends a recovery."""

from __future__ import annotations

import asyncio
import getpass
import json

from antiphon import Recovery, Service, Settings
from antiphon.broker.errand import Errand
from antiphon.broker.scripts import Call, script
from antiphon_events import DatabaseFailed, DatabaseRestored, ServiceFailed, ServiceRestarted
from program import antiphon
from witness import Witness, running


class Shop:
    """A service that restores and can take that back, and then restarts when it is let go."""

    def __init__(self, settings: Settings) -> None:
        self.service = Service("shop", settings=settings)
        self.undone: list[str] = []
        self.restarting = asyncio.Event()
        self.let_go = asyncio.Event()

        async def drop(failed: DatabaseFailed) -> None:
            self.undone.append(failed.subject)

        @self.service.on(DatabaseFailed, undo=drop)
        async def restore(failed: DatabaseFailed) -> DatabaseRestored:
            return DatabaseRestored(subject=failed.subject)

        @self.service.on(DatabaseRestored)
        async def restart(restored: DatabaseRestored) -> ServiceRestarted:
            self.restarting.set()
            await self.let_go.wait()
            return ServiceRestarted(subject=restored.subject)

        @self.service.on(ServiceRestarted)
        async def reopen(restarted: ServiceRestarted) -> None:
            assert restarted

    async def fail(self) -> str:
        """Begin a recovery, and wait until its second step runs."""
        receipt = await self.service.publish(DatabaseFailed(subject="orders-db"))
        await self.restarting.wait()
        return receipt.correlation_id


async def test_what_runs_ends_and_nothing_else_begins(settings: Settings, witness: Witness) -> None:
    """What was completed is undone; who cancelled it and why is in the record."""
    shop = Shop(settings)
    async with running(shop.service):
        recovery = await shop.fail()
        ended = await antiphon(
            settings, "cancel", recovery, "--as", "ana", "--reason", "maintenance"
        )
        assert ended.status == 0, ended.err
        assert ended.out == (
            "Cancelled by ana: what runs ends first, then what was done is undone.\n"
            f"→ antiphon trace {recovery}\n"
        )
        logged = json.loads(ended.err)
        assert (logged["event"], logged["correlation_id"]) == ("recovery.cancelled", recovery)
        again = await antiphon(settings, "cancel", recovery, "--as", "ben", "--reason", "x")
        assert (again.status, again.out) == (
            0,
            f"It had been cancelled already: antiphon trace {recovery}\n",
        )
        shop.let_go.set()
        record = await witness.closed(recovery, verdict="cancelled")
        over = await antiphon(settings, "trace", recovery)
    assert shop.undone == ["orders-db"]
    assert (record.summary.cancelled, record.summary.undone) == ("ana: maintenance", 1)
    await witness.told(recovery, "cancelled", by="ana", reason="maintenance")
    assert over.status == 1
    assert f"Recovery {recovery}: CANCELLED" in over.out
    assert "cancelled by ana at" in over.out
    assert "rolled back: 1 of 1 step undone" in over.out
    assert "← undo shop.restore" in over.out
    listed = await antiphon(settings, "recoveries", "--status", "cancelled")
    assert f"{recovery}  cancelled" in listed.out
    assert listed.out.rstrip().endswith("1 undone")


async def test_programs_read_json(settings: Settings, witness: Witness) -> None:
    """The one who cancels is the user who runs it, unless told otherwise."""
    shop = Shop(settings)
    async with running(shop.service):
        recovery = await shop.fail()
        told = (await antiphon(settings, "cancel", recovery, "--reason", "x", "--json")).document
        assert told == {
            "correlation_id": recovery,
            "by": getpass.getuser(),
            "repeated": False,
            "verdict": None,
            "dropped": 0,
            "children": 0,
        }
        shop.let_go.set()
        await witness.closed(recovery, verdict="cancelled")


async def test_children_and_what_was_put_off_go_with_it(
    settings: Settings, witness: Witness
) -> None:
    """Nothing that it began is left to go on by itself."""
    service = Service("shop", settings=settings)
    children: list[str] = []

    @service.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.publish(DatabaseRestored(subject=failed.subject), after="1h")
        children.append(recovery.start(ServiceFailed(subject="orders-api")))

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed, recovery: Recovery) -> None:
        recovery.publish(ServiceRestarted(subject=failed.subject), after="1h")

    async with running(service):
        receipt = await service.publish(DatabaseFailed(subject="orders-db"))
        parent = receipt.correlation_id
        await witness.told(parent, "child")
        await witness.told(children[0], "scheduled")
        open_ = (await antiphon(settings, "trace", parent)).out
        assert f"child {children[0]}" in " ".join(open_.split())
        ended = await antiphon(settings, "cancel", parent, "--as", "ana", "--reason", "x")
        assert ended.out.startswith(
            "Cancelled by ana, 1 child with it, 1 thing is not waited for any more: "
        )
        await witness.closed(children[0], verdict="cancelled")
        await witness.closed(parent, verdict="cancelled")
        child = (await antiphon(settings, "trace", children[0])).out
        assert f"a child of {parent}: antiphon trace {parent}" in " ".join(child.split())


async def test_what_has_not_begun_is_not_shown_as_open(settings: Settings) -> None:
    """A child that was cancelled first: every command says that and ends, also `watch`."""
    async with Errand.begin(settings) as errand:
        keys = (*errand.keys.record("early", ""), errand.keys.audit)
        call = Call(script("cancel"), keys, ("early", 600_000, "ana", "a drill", "1"))
        assert await errand.gatherer.run(call) == [5]
    for command in (("explain",), ("trace",), ("report",), ("watch",), ("diff", "early")):
        ended = await antiphon(settings, *command, "early")
        assert (ended.status, ended.out) == (2, ""), command
        assert "cancelled before it began, by 'ana: a drill'" in ended.complaint


async def test_there_must_be_something_to_cancel(settings: Settings, witness: Witness) -> None:
    """An unknown recovery is refused, and so is one that is over."""
    unknown = await antiphon(settings, "cancel", "no-such-recovery", "--reason", "x")
    assert (unknown.status, unknown.out) == (1, "")
    assert unknown.complaint.startswith("no recovery 'no-such-recovery' is recorded in the cell")
    shop = Shop(settings)
    async with running(shop.service):
        receipt = await shop.service.publish(ServiceRestarted(subject="orders-api"))
        await witness.closed(receipt.correlation_id)
    over = await antiphon(settings, "cancel", receipt.correlation_id, "--reason", "x")
    assert over.status == 1
    assert "is over, as completed: there is nothing to cancel" in over.complaint
    assert await witness.client.xlen(witness.keys.audit) == 0
    ended = await antiphon(settings, "cancel", receipt.correlation_id)
    assert ended.status == 2
    assert "--reason" in ended.err

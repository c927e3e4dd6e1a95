"""Pauses: a person, or a guard, stops what begins; what was held runs when it is resumed."""

from __future__ import annotations

import asyncio

import pytest

from antiphon import Service, Settings
from antiphon.broker.errand import Errand
from antiphon.guards.state import RELAPSE_GUARD, STORM_BRAKE
from antiphon.records import Record
from antiphon_events import RecoveryEscalated, ServiceFailed, ServiceRestarted
from escalating import giving_up
from program import Ended, antiphon
from witness import Witness, changed, rows, running

SOON_SECONDS = 5.0
"""Timers look once a second; the rest is for a machine that is busy."""


def restarting(settings: Settings, name: str = "orders") -> Service:
    service = Service(name, settings=settings)

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    return service


async def switched(settings: Settings, *command: str) -> Ended:
    ended = await antiphon(settings, *command)
    assert ended.status == 0, ended.err
    return ended


async def failed(service: Service, subject: str) -> str:
    return (await service.publish(ServiceFailed(subject=subject))).correlation_id


async def soon_closed(witness: Witness, correlation_id: str) -> Record:
    async with asyncio.timeout(SOON_SECONDS):
        return await witness.closed(correlation_id)


async def test_what_is_paused_waits_and_then_runs(settings: Settings, witness: Witness) -> None:
    """Nothing begins while everything is paused; resumed, it runs soon, with no attempt spent."""
    orders = restarting(settings)
    async with running(orders):
        await switched(settings, "pause", "--as", "anna")
        held = await failed(orders, "api")
        row = await witness.told(held, "held", group="orders.restart")
        assert (row.text("guard"), row.text("name")) == ("pause", "*")
        assert not rows(await witness.record(held) or pytest.fail("no record"), "started")
        [told] = (await switched(settings, "guards", "--json")).document["pauses"]
        assert (told["by"], told["held"]) == ("anna", 1)

        assert "1 delivery was held" in (await switched(settings, "resume")).out
        record = await soon_closed(witness, held)
        assert rows(record, "started")[0].whole("attempt") == 1
        state = (await switched(settings, "guards", "--json")).document
    assert (state["pauses"], state["held"]) == ([], [])


@pytest.mark.parametrize("scope", [("--service", "orders"), ("--subject", "api")])
async def test_a_pause_holds_no_more_than_its_scope(
    settings: Settings, witness: Witness, scope: tuple[str, str]
) -> None:
    """Another service about another subject goes on as if nothing were paused."""
    orders, stock = restarting(settings), Service("stock", settings=settings)

    @stock.on(ServiceFailed.about("db"))
    async def restart(failed: ServiceFailed) -> None:
        assert failed.subject == "db"

    async with running(orders, stock):
        await switched(settings, "pause", *scope)
        held, other = await failed(orders, "api"), await failed(orders, "db")
        await witness.told(held, "held", group="orders.restart")
        await witness.told(other, "completed", group="stock.restart")
        if scope[0] == "--subject":
            await witness.closed(other)
        await switched(settings, "resume", *scope)
        await soon_closed(witness, held)
        await witness.closed(other)


async def test_people_are_told_through_a_pause(settings: Settings, witness: Witness) -> None:
    """Whoever pauses everything still wants to know what needs a person."""
    orders, people = restarting(settings), Service("people", settings=settings)
    told = asyncio.Event()

    @people.on(RecoveryEscalated)
    async def page(escalated: RecoveryEscalated) -> None:
        told.set()

    async with running(orders, people):
        await switched(settings, "pause")
        held = await failed(orders, "api")
        async with Errand.begin(settings) as errand:
            await errand.gatherer.run(giving_up(errand.keys, settings, held))
        await asyncio.wait_for(told.wait(), SOON_SECONDS)
        assert await witness.open_recoveries() == [held]


async def test_a_subject_in_human_hands_is_given_back(settings: Settings, witness: Witness) -> None:
    """Restarts that do not hold stop the subject; resumed, its relapses count anew."""
    settings = changed(settings, relapses="2/1h")
    orders = restarting(settings)
    async with running(orders):
        for _ in range(2):
            await witness.closed(await failed(orders, "api"))
        third = await failed(orders, "api")
        await witness.told(third, "held", guard="pause", name="subject:api")
        state = (await switched(settings, "guards", "--json")).document
        [paused] = state["pauses"]
        assert (paused["scope"], paused["by"]) == ("subject:api", RELAPSE_GUARD)
        [relapses] = state["windows"]
        assert (relapses["kind"], relapses["name"]) == ("relapse", "service.failed:api")
        assert state["escalations"][0]["correlation_id"] == third

        resumed = await switched(settings, "resume", "--subject", "api")
        assert "Relapses count anew: service.failed:api." in resumed.out
        await soon_closed(witness, third)
        await witness.closed(await failed(orders, "api"))


async def test_a_storm_waits_for_a_person(settings: Settings, witness: Witness) -> None:
    """What comes after the brake has tripped is parked until it is released; then all goes on."""
    settings = changed(settings, storm="2/1m")
    orders = restarting(settings)
    async with running(orders):
        for subject in ("api", "db"):
            await witness.closed(await failed(orders, subject))
        parked = await failed(orders, "cache")
        await witness.told(parked, "held", guard="storm")
        [paused] = (await switched(settings, "guards", "--json")).document["pauses"]
        assert (paused["scope"], paused["by"], paused["held"]) == ("storm", STORM_BRAKE, 1)

        await switched(settings, "resume", "--storm")
        await soon_closed(witness, parked)
        await witness.closed(await failed(orders, "queue"))

        state = (await switched(settings, "guards", "--json")).document
    assert (state["pauses"], state["held"]) == ([], [])

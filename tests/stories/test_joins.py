"""Joins: one reaction to several events of a recovery."""

from __future__ import annotations

import asyncio

import pytest

from antiphon import Join, Joined, Service, Settings, all_of, any_of, n_of
from antiphon.errors import ConfigurationError
from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    Selector,
    ServiceFailed,
    ServiceRestarted,
)
from witness import Witness, rows, running


class Shop:
    """A database and a cache that recover side by side, and a web server that waits for them."""

    def __init__(self, settings: Settings, join: Join) -> None:
        self.service = Service("shop", settings=settings)
        self.may = {"restore": asyncio.Event(), "warm": asyncio.Event()}
        self.reopened: list[Joined] = []

        @self.service.on(ServiceFailed)
        async def restore(failed: ServiceFailed) -> DatabaseRestored:
            await self.may["restore"].wait()
            return DatabaseRestored(subject="orders-db", rows=3)

        @self.service.on(ServiceFailed)
        async def warm(failed: ServiceFailed) -> CacheWarmed:
            await self.may["warm"].wait()
            return CacheWarmed(subject="orders-cache", entries=5)

        @self.service.on(join)
        async def reopen(joined: Joined) -> ServiceRestarted:
            self.reopened.append(joined)
            return ServiceRestarted(subject="web")


@pytest.mark.parametrize(("first", "second"), [("restore", "warm"), ("warm", "restore")])
async def test_all_of_waits_for_every_event(
    settings: Settings, witness: Witness, first: str, second: str
) -> None:
    """A join fires once, when its last event arrives, whatever the order of arrival."""
    shop = Shop(settings, all_of(DatabaseRestored.about("orders-db"), CacheWarmed))
    async with running(shop.service):
        receipt = await shop.service.publish(ServiceFailed(subject="shop"))
        shop.may[first].set()
        joined = await witness.told(receipt.correlation_id, "joined", group="shop.reopen")
        assert (joined.whole("have"), joined.whole("need")) == (1, 2)
        assert shop.reopened == []
        shop.may[second].set()
        record = await witness.closed(receipt.correlation_id)

    [both] = shop.reopened
    assert (both[DatabaseRestored].rows, both[CacheWarmed].entries) == (3, 5)
    assert len(rows(record, "completed", group="shop.reopen")) == 1
    assert len(await witness.entries("service.restarted")) == 1


async def test_a_join_that_misses_an_event_is_no_success(
    settings: Settings, witness: Witness
) -> None:
    """When one branch never comes, the verdict is partial and says which join went hungry."""
    web = Service("web", settings=settings)

    @web.on(ServiceFailed)
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject="orders-db")

    @web.on(all_of(DatabaseRestored, CacheWarmed))
    async def reopen(joined: Joined) -> None:
        raise AssertionError("the cache was never warmed")

    async with running(web):
        receipt = await web.publish(ServiceFailed(subject="shop"))
        record = await witness.closed(receipt.correlation_id, verdict="partial")
    assert record.summary.reasons == ("web.reopen: 1 of 2 branches arrived",)


@pytest.mark.parametrize("first", ["restore", "warm"])
async def test_any_of_takes_the_first(settings: Settings, witness: Witness, first: str) -> None:
    """One event is enough, and those that come later change nothing."""
    shop = Shop(settings, any_of(DatabaseRestored, CacheWarmed))
    async with running(shop.service):
        receipt = await shop.service.publish(ServiceFailed(subject="shop"))
        shop.may[first].set()
        await witness.told(receipt.correlation_id, "completed", group="shop.reopen")
        for gate in shop.may.values():
            gate.set()
        record = await witness.closed(receipt.correlation_id)

    [taken] = shop.reopened
    assert len(taken) == 1
    assert len(rows(record, "duplicate", group="shop.reopen")) == 1
    assert len(await witness.entries("service.restarted")) == 1


async def test_n_of_needs_a_quorum(settings: Settings, witness: Witness) -> None:
    """Two replicas of three are enough, and their events are told apart by subject."""
    cluster = Service("cluster", settings=settings)
    replicas = ("replica-1", "replica-2", "replica-3")
    quorum: list[list[str]] = []

    @cluster.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> list[ServiceRestarted]:
        return [ServiceRestarted(subject=replica) for replica in replicas]

    @cluster.on(n_of(2, *(ServiceRestarted.about(replica) for replica in replicas)))
    async def elect(joined: Joined) -> None:
        quorum.append([event.subject for event in joined.of(ServiceRestarted)])

    async with running(cluster):
        receipt = await cluster.publish(ServiceFailed(subject="cluster"))
        record = await witness.closed(receipt.correlation_id)

    assert quorum == [["replica-1", "replica-2"]]
    assert len(rows(record, "completed", group="cluster.elect")) == 1


@pytest.mark.parametrize(
    ("branches", "why"),
    [
        ([CacheWarmed.about("a"), CacheWarmed.about("a")], "two branches of a join are the same"),
        ([CacheWarmed.about(f"c{n}") for n in range(3_001)], "3,000 are the most"),
    ],
)
def test_a_join_that_makes_no_sense_is_refused(branches: list[Selector], why: str) -> None:
    """Branches must be told apart, and be few enough to be handed out at once."""
    with pytest.raises(ConfigurationError, match=why):
        all_of(*branches)

"""``antiphon groups``: what waits for whom, and the end of a handler that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import Service, Settings
from antiphon.broker.errand import Errand
from antiphon.broker.groups import registered
from antiphon.broker.retirement import Retirement
from antiphon_events import DatabaseFailed, ServiceFailed
from program import Ended, antiphon
from support import until
from witness import Witness, changed, running

GONE = "orders.restart"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease so short that a worker counts as gone at once."""
    return changed(settings, lease="200ms", coalesce=False)


def orders(settings: Settings, *, renamed: bool = False) -> Service:
    """Two handlers; a later release renames the first."""
    service = Service("orders", settings=settings)

    async def restart(failed: ServiceFailed) -> None:
        assert failed.subject == "api"

    restart.__name__ = "start_again" if renamed else "restart"
    service.on(ServiceFailed.about("api"))(restart)

    @service.on(ServiceFailed)
    async def page(failed: ServiceFailed) -> None:
        assert failed.subject == "api"

    return service


async def listed(settings: Settings) -> dict[str, dict[str, Any]]:
    ended = await antiphon(settings, "groups", "list", "--json")
    assert ended.status == 0, ended.err
    return {group["group"]: group for group in ended.document}


async def retire(settings: Settings, *arguments: str, answer: str = "") -> Ended:
    return await antiphon(settings, "groups", "retire", *arguments, answer=answer)


async def deserted(settings: Settings) -> None:
    """Register both handlers, and wait until their worker counts as gone."""
    async with running(orders(settings)):
        pass

    async def nobody_there() -> bool:
        return not any(group["live"] for group in (await listed(settings)).values())

    await until(nobody_there, 30)


async def test_the_list_says_what_waits_for_whom(settings: Settings, witness: Witness) -> None:
    """A worker is seen while it runs; afterwards, what it left undone is."""
    service = orders(settings)
    async with running(service):

        async def all_live() -> bool:
            groups = (await listed(settings)).values()
            return len(groups) == 2 and all(group["live"] for group in groups)

        await until(all_live, 30)
    await deserted(settings)
    await service.publish(ServiceFailed(subject="api"))
    await witness.client.xreadgroup(GONE, "ghost", {witness.keys.events("service.failed"): ">"})
    groups = await listed(settings)
    assert (groups[GONE]["lag"], groups[GONE]["pending"]) == (0, 1)
    assert groups[GONE]["oldest_pending"] is not None
    assert (groups["orders.page"]["lag"], groups["orders.page"]["pending"]) == (1, 0)
    assert groups[GONE]["subscriptions"] == [{"type": "service.failed", "subject": "api"}]
    table = (await antiphon(settings, "groups", "list")).out
    assert "service.failed about api" in table


async def test_only_what_nobody_will_touch_is_stuck(settings: Settings, witness: Witness) -> None:
    """A delivery whose worker fell silent is stuck; one that waits for its instant is not."""
    await deserted(settings)
    service, due = orders(settings), witness.keys.due(GONE)
    await service.publish(ServiceFailed(subject="api"))
    waiting = await service.publish(ServiceFailed(subject="api"))
    await witness.client.xreadgroup(GONE, "ghost", {witness.keys.events("service.failed"): ">"})
    await witness.client.zadd(due, {f"service.failed|{waiting.entry_id}": 1e14})

    async def stuck() -> list[Any]:
        group = (await listed(settings))[GONE]
        return [group["stuck"], group["waiting"]] if group["stuck"] else []

    assert await until(stuck, 30) == [1, 1]
    await witness.client.zadd(due, {f"service.failed|{waiting.entry_id}": 1})
    assert await stuck() == [2, 1]


async def test_a_group_in_use_is_not_retired(settings: Settings) -> None:
    """Its worker would register it again; the refusal says so and nothing is changed."""
    async with running(orders(settings)):
        await until(lambda: _refused(settings), 30)
        assert (await listed(settings)).keys() == {GONE, "orders.page"}


async def _refused(settings: Settings) -> bool:
    ended = await retire(settings, GONE, "--yes")
    assert ended.status == 2
    assert ended.complaint.startswith(f"a worker runs {GONE}: stop it")
    return "--force" in ended.complaint


async def test_retiring_ends_what_waits_for_a_renamed_handler(
    settings: Settings, witness: Witness
) -> None:
    """Its recoveries close and say why, new ones never wait for it, and no key of it is left."""
    await deserted(settings)
    renamed = orders(settings, renamed=True)
    async with running(renamed):
        receipt = await renamed.publish(ServiceFailed(subject="api"))
        await witness.told(receipt.correlation_id, "completed", group="orders.page")
        await witness.told(receipt.correlation_id, "completed", group="orders.start_again")
        assert await witness.open_recoveries() == [receipt.correlation_id]

        declined = await retire(settings, GONE, answer="n\n")
        assert declined.status == 1
        assert "What 1 open recovery waits for from it ends unanswered." in declined.err
        ended = await retire(settings, GONE, "--yes", "--json")
        assert ended.status == 0, ended.err
        owed = f"service.failed|{receipt.entry_id}|{GONE}"
        assert ended.document["settled"] == [
            {"correlation_id": receipt.correlation_id, "outstanding": owed}
        ]

        record = await witness.closed(receipt.correlation_id, verdict="partial")
        assert record.summary.reasons == (f"{GONE} service.failed: the group was retired",)
        later = await renamed.publish(ServiceFailed(subject="api"))
        await witness.closed(later.correlation_id)
    assert (await listed(settings)).keys() == {"orders.page", "orders.start_again"}
    keys = witness.keys
    assert not await witness.client.exists(keys.inbox(GONE), keys.due(GONE))
    groups = await witness.client.xinfo_groups(keys.events("service.failed"))
    assert GONE.encode() not in [group["name"] for group in groups]
    again = await retire(settings, GONE, "--yes")
    assert again.status == 2
    assert again.complaint.startswith(f"there is no group '{GONE}' in the cell")


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_an_interrupted_retirement_is_finished_by_the_next(
    settings: Settings, witness: Witness, steps: int
) -> None:
    """After whichever step it was cut off, the group is still listed and can be retired again."""
    await deserted(settings)
    service = orders(settings)
    receipts = [await service.publish(ServiceFailed(subject="api")) for _ in range(2)]
    async with Errand.begin(settings) as errand:
        group = await registered(errand.client, errand.keys, GONE)
        assert group is not None
        retirement = Retirement(errand, group)
        owed = await retirement.owed()
        assert len(owed) == 2
        for step in (
            retirement._unsubscribe,
            retirement._destroy,
            lambda: retirement._settle(owed[0]),
        )[:steps]:
            await step()

    assert GONE in await listed(settings)
    ended = await retire(settings, GONE, "--yes", "--json")
    assert ended.status == 0, ended.err
    assert len(ended.document["settled"]) == (1 if steps == 3 else 2)
    assert GONE not in await listed(settings)
    for receipt in receipts:
        record = await witness.record(receipt.correlation_id)
        assert record is not None
        assert record.outstanding == (f"service.failed|{receipt.entry_id}|orders.page",)


async def test_a_retired_handler_may_come_back(settings: Settings, witness: Witness) -> None:
    """Running it registers it anew, and it reacts as if it had never been away."""
    await deserted(settings)
    assert (await retire(settings, GONE, "--yes")).status == 0
    service = orders(settings)
    async with running(service):
        receipt = await service.publish(ServiceFailed(subject="api"))
        record = await witness.closed(receipt.correlation_id)
    assert record.summary.done == 2


async def test_retiring_leaves_the_streams_of_older_subscriptions(
    settings: Settings, witness: Witness
) -> None:
    """A group that once read another type is a group there still, until it is retired."""
    service = Service("orders", settings=settings)

    @service.on(DatabaseFailed)
    async def restart(failed: DatabaseFailed) -> None:
        assert failed

    async with running(service):
        pass
    await deserted(settings)
    assert (await listed(settings))[GONE]["stale"] == ["database.failed"]
    assert (await retire(settings, GONE, "--yes")).status == 0
    assert await witness.client.xinfo_groups(witness.keys.events("database.failed")) == []


async def test_a_consumer_group_of_another_program_needs_force(
    settings: Settings, witness: Witness
) -> None:
    """Nobody registered it, so that nobody here can know whether it is read."""
    stream = witness.keys.events("service.failed")
    await witness.client.xgroup_create(stream, "audit", mkstream=True)
    refused = await retire(settings, "audit", "--yes")
    assert refused.status == 2
    assert "another program may read with it" in refused.complaint
    assert (await retire(settings, "audit", "--yes", "--force")).status == 0
    assert await witness.client.xinfo_groups(stream) == []

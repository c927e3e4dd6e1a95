"""The choreography of what runs: real workers describe themselves, and commands draw it."""

from __future__ import annotations

import pytest

from antiphon import Service, Settings
from antiphon.broker.errand import Errand
from antiphon.broker.running import read_running
from antiphon.choreography import Choreography
from antiphon.choreography.document import document
from antiphon.choreography.running import Running
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    ServiceFailed,
    ServiceRestarted,
)
from program import antiphon
from support import until
from svg import Svg
from witness import Witness, changed, running


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease so short that a worker counts as gone at once."""
    return changed(settings, lease="200ms")


def database(settings: Settings, *, budget: str | None = None) -> Service:
    service = Service("orders-db", settings=settings)

    @service.on(DatabaseFailed, budget=budget)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored:
        return DatabaseRestored(subject=failed.subject)

    service.goal(DatabaseFailed, CacheWarmed)
    return service


def cache(settings: Settings) -> Service:
    service = Service("orders-cache", settings=settings)

    @service.on(DatabaseRestored, CacheLost)
    async def warm(restored: DatabaseRestored | CacheLost) -> CacheWarmed:
        return CacheWarmed(subject=restored.subject)

    return service


async def at_work(settings: Settings, *groups: str) -> Running:
    """Wait until just these groups describe themselves."""

    async def seen() -> Running | None:
        async with Errand.begin(settings) as errand:
            found = await read_running(errand)
        described = {part.group for part in found.choreography.parts}
        return found if described == set(groups) else None

    found = await until(seen)
    assert found is not None
    return found


async def test_what_runs_describes_itself(settings: Settings) -> None:
    """All that the handlers in code say, with the goals of their services."""
    services = database(settings), cache(settings)
    async with running(*services):
        found = await at_work(settings, "orders-db.restore", "orders-cache.warm")
    told, declared = document(found.choreography), document(Choreography.of(*services))
    assert sorted(map(str, told["handlers"])) == sorted(map(str, declared["handlers"]))
    assert sorted(map(str, told["edges"])) == sorted(map(str, declared["edges"]))
    assert told["goals"] == declared["goals"]
    assert not list(found.remarks())


async def test_restarts_leave_nothing_behind(settings: Settings, witness: Witness) -> None:
    """The same release has one description, however often it starts and in how many replicas."""
    for _ in range(3):
        async with running(database(settings), database(settings)):
            await at_work(settings, "orders-db.restore")
    assert await witness.client.hlen(witness.keys.parts) == 1
    assert await witness.client.zcard(witness.keys.described) == 1


async def test_two_releases_are_shown_side_by_side(settings: Settings) -> None:
    """While replicas of both run; then the old one is gone, without a trace of it."""
    async with running(database(settings, budget="3/10m")):
        async with running(database(settings)):

            async def both() -> Running | None:
                found = await at_work(settings, "orders-db.restore")
                return found if found.variants else None

            assert (await until(both)).variants == ("orders-db.restore",)  # type: ignore[union-attr]
            shown = await antiphon(settings, "graph", "--live")
            assert "variant 1 of 2" in shown.out
            assert "variant 2 of 2" in shown.out
            assert "note: orders-db.restore is described in several ways" in shown.err
            checked = await antiphon(settings, "check", "--live")
            assert "same-name" not in checked.out

        async def one() -> bool:
            return not (await at_work(settings, "orders-db.restore")).variants

        await until(one)


async def test_one_that_stopped_is_gone(settings: Settings) -> None:
    """It is not in the map any more, and a remark says since when."""
    async with running(cache(settings)):
        async with running(database(settings)):
            await at_work(settings, "orders-db.restore", "orders-cache.warm")
        found = await at_work(settings, "orders-cache.warm")
        assert [one.group for one in found.gone] == ["orders-db.restore"]
        shown = await antiphon(settings, "graph", "--live", "--format", "json")
    assert shown.document["services"] == ["orders-cache"]
    assert shown.document["running"]["gone"][0]["group"] == "orders-db.restore"
    assert "orders-db.restore is not run by any worker" in shown.err


async def test_a_cell_that_lost_its_data_learns_again(settings: Settings, witness: Witness) -> None:
    """Workers give their descriptions anew when the server has none by their names."""
    async with running(cache(settings)):
        await at_work(settings, "orders-cache.warm")
        await witness.client.delete(witness.keys.parts, witness.keys.described)
        await at_work(settings, "orders-cache.warm")


async def test_a_handler_that_cannot_be_read_is_at_work_all_the_same(settings: Settings) -> None:
    """A description that fails costs the description: the group has a worker, and says nothing."""
    service = Service("odd", settings=settings)

    async def restart(failed: ServiceFailed) -> ServiceRestarted:
        return ServiceRestarted(subject=failed.subject)

    service.on(ServiceFailed)(restart)
    vars(restart)["__antiphon_accepted__"] = 1
    async with running(service, cache(settings)):
        found = await at_work(settings, "orders-cache.warm")
        assert found.silent == ("odd.restart",)


@pytest.mark.parametrize("language", ["text", "mermaid", "graphviz", "svg"])
async def test_it_is_drawn_in_every_language(settings: Settings, language: str) -> None:
    """As what is named on the command line is."""
    async with running(database(settings), cache(settings)):
        await at_work(settings, "orders-db.restore", "orders-cache.warm")
        drawn = await antiphon(settings, "graph", "--live", "--format", language)
    assert drawn.status == 0
    assert "orders-db.restore" in drawn.out
    if language == "svg":
        assert "orders-cache" in Svg(drawn.out).words()


async def test_nothing_runs(settings: Settings) -> None:
    """The reason, and what to do, in one line; status 2."""
    ended = await antiphon(settings, "graph", "--live")
    assert ended.status == 2
    assert ended.complaint.startswith(f"no worker in the cell '{settings.cell}' says what its")
    assert "antiphon run" in ended.complaint


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the services, as MODULE:SERVICE, or give --live"),
        (["--live", "shop:db"], "not both"),
        (["--cell", "x", "shop:db"], "--url and --cell say where to look with --live"),
    ],
)
@pytest.mark.parametrize("command", ["graph", "check"])
async def test_what_to_look_at_is_said_once(
    settings: Settings, command: str, arguments: list[str], said: str
) -> None:
    """Services by name or those that run."""
    ended = await antiphon(settings, command, *arguments)
    assert ended.status == 2
    assert said in ended.complaint

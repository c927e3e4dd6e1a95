"""``antiphon doctor``: it finds what is wrong on a real server, and says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis

from antiphon import PermanentError, Service, Settings
from antiphon.broker.server import EmbeddedServer
from antiphon_events import ServiceFailed
from guardroom import Guardroom
from program import antiphon
from support import until
from witness import Witness, changed, running

GROUP = "orders.restart"
LARGEST = f"{2**64 - 1}-{2**64 - 1}"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A lease so short that a worker counts as gone at once."""
    return changed(settings, lease="200ms")


def orders(settings: Settings) -> Service:
    service = Service("orders", settings=settings)

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None:
        raise PermanentError(f"{failed.subject} is beyond help")

    return service


async def examined(settings: Settings, status: int) -> dict[str, Any]:
    ended = await antiphon(settings, "doctor", "--json")
    assert ended.status == status, (ended.out, ended.err)
    report: dict[str, Any] = ended.document
    assert (report["grade"] == "problem") == bool(status)
    return report


def finding(report: dict[str, Any], about: str) -> tuple[str, str, str]:
    [found] = [one for one in report["findings"] if one["about"] == about]
    return found["grade"], found["says"], found["remedy"]


async def test_a_sound_cell_is_all_ok(server: EmbeddedServer) -> None:
    """A durable server, a worker that runs, nothing left over: no warning, status 0, no secret."""
    settings = Settings(redis_url=server.url, cell="sound")
    password = urlsplit(server.url).password
    assert password
    async with running(orders(settings)):

        async def at_work() -> dict[str, Any] | None:
            report = await examined(settings, 0)
            return report if report["groups"][0]["live"] else None

        report = await until(at_work, 30)
        text = await antiphon(settings, "doctor")
    assert {one["grade"] for one in report["findings"]} == {"ok"}
    assert "every write is on disk before it is answered" in finding(report, "persistence")[1]
    assert report["server"]["product"] in {"redis", "valkey"}
    assert report["settings"]["lease"] == "30s"
    assert text.status == 0
    assert "Problems: 0, warnings: 0." in text.out
    assert password not in text.out + str(report)


async def test_what_the_server_may_lose_is_said(settings: Settings) -> None:
    """A server that keeps nothing on disk is a choice, and a warning says what it means."""
    report = await examined(settings, 0)
    grade, says, remedy = finding(report, "persistence")
    assert grade == "warning"
    assert "everything is lost when the server ends" in says
    assert "appendonly yes" in remedy


async def test_a_server_that_evicts_is_a_problem(server: EmbeddedServer) -> None:
    """It would throw events away; who has accepted that is only warned."""
    settings = Settings(redis_url=server.url)
    with Redis.from_url(server.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    grade, says, remedy = finding(await examined(settings, 1), "eviction")
    assert (grade, says.partition(":")[0]) == ("problem", "maxmemory-policy is allkeys-lru")
    assert "noeviction" in remedy
    report = await examined(changed(settings, allow_eviction=True), 0)
    assert finding(report, "eviction")[0] == "warning"


async def test_a_deserted_handler_is_named(settings: Settings, witness: Witness) -> None:
    """Away for long it is a warning; once a recovery waits for it, a problem with both remedies."""
    service = orders(settings)
    async with running(service):
        pass
    hours_ago = 3 * 3600 * 1000
    seconds, _ = await witness.client.time()
    await witness.client.zadd(witness.keys.workers, {GROUP: seconds * 1000 - hours_ago})
    grade, says, remedy = finding(await examined(settings, 0), GROUP)
    assert grade == "warning"
    assert says.startswith("no worker has run it for 3h 00m")
    renamed = f"if its handler was renamed or removed: antiphon groups retire {GROUP}"
    assert remedy == renamed

    receipt = await service.publish(ServiceFailed(subject="api"))
    report = await examined(settings, 1)
    grade, says, remedy = finding(report, GROUP)
    assert grade == "problem"
    assert says.startswith("1 unread, and no worker has run it for 3h 00m")
    assert remedy == f"run orders; {renamed}"
    assert report["recoveries"]["open"] == 1
    assert report["recoveries"]["oldest"] == receipt.correlation_id
    assert GROUP in report["recoveries"]["waits_for"][0]


async def test_dead_letters_are_counted(settings: Settings, witness: Witness) -> None:
    """Somebody has to decide about each, so that they are a warning until then."""
    service = orders(settings)
    async with running(service):
        receipt = await service.publish(ServiceFailed(subject="api"))
        await witness.closed(receipt.correlation_id, verdict="failed")
    report = await examined(settings, 0)
    assert report["dead_letters"] == 1
    grade, _, remedy = finding(report, "dead letters")
    assert grade == "warning"
    assert remedy.startswith("antiphon dead list")


@pytest.mark.parametrize(
    ("entry_id", "says"),
    [("99999999999999-0", "ahead of the server's clock"), (LARGEST, "it takes no entry any more")],
)
async def test_a_stream_ahead_of_its_time_is_a_problem(
    settings: Settings, witness: Witness, entry_id: str, says: str
) -> None:
    """An id from the future spoils every later one, and the largest id blocks its stream."""
    stream = witness.keys.events("service.failed")
    await witness.client.xadd(stream, {"subject": "api"}, id=entry_id)
    found = finding(await examined(settings, 1), stream)
    assert found[0] == "problem"
    assert says in found[1]


async def test_a_group_the_server_lost_is_a_warning(settings: Settings, witness: Witness) -> None:
    """Until a worker makes it again, nothing on that stream is delivered."""
    async with running(orders(settings)):
        pass
    stream = witness.keys.events("service.failed")
    await witness.client.xgroup_destroy(stream, GROUP)
    await witness.client.xgroup_create(stream, "audit")
    report = await examined(settings, 0)
    grade, says, _ = finding(report, GROUP)
    assert (grade, says) == ("warning", "the server has lost the group on service.failed")
    grade, says, remedy = finding(report, stream)
    assert grade == "warning"
    assert "the consumer group audit was registered by no handler" in says
    assert remedy.endswith("antiphon groups retire audit --force")


async def test_guards_that_have_tripped_are_named(settings: Settings, witness: Witness) -> None:
    """What is paused, open or waits for a person is found, each with what ends it."""
    guards = Guardroom(witness)
    await guards.pause("subject:api", by="anna", reason="deploy")
    await guards.hold("pause", "subject:api")
    await guards.breaker("payments", "open", until=30_000)
    report = await examined(settings, 0)
    grade, says, remedy = finding(report, "pause")
    assert (grade, remedy) == ("warning", "antiphon resume --subject api")
    assert says.endswith("by anna: deploy; 1 delivery is held")
    assert finding(report, "breaker")[0] == "warning"
    await guards.escalate("one", subject="api", reason="the budget is spent")
    report = await examined(settings, 1)
    grade, says, remedy = finding(report, "escalation")
    assert says.startswith("one about api needs a person: the budget is spent (tier 2, told ")
    assert remedy == "antiphon trace one; then antiphon ack one"
    assert report["guards"]["unacknowledged"] == 1


async def test_the_guards_in_force_are_told(settings: Settings, tmp_path: Path) -> None:
    """With what a deployment changed, also for single handlers and services."""
    config = tmp_path / "antiphon.toml"
    config.write_text(
        'storm = "off"\n[handlers."orders.restart"]\nbudget = "2/1h"\nrate = "off"\n'
        '[services.orders]\nrate = "100/1m"\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTIPHON_CONFIG", str(config))
        text = (await antiphon(settings, "doctor")).out
        report = await examined(settings, 0)
    told = [" ".join(line.split()) for line in text.splitlines()]
    assert "storm brake off" in told
    assert "relapses 3/1h, each within 10m of a success" in told
    assert "handler orders.restart budget 2/1h, rate off" in told
    assert "service orders rate 100/1m" in told
    assert report["settings"]["handlers"] == {"orders.restart": {"budget": "2/1h", "rate": None}}


async def test_a_server_that_is_not_there_is_one_line() -> None:
    """It ends with status 2, which is not the verdict of an examination."""
    ended = await antiphon(Settings(redis_url="redis://127.0.0.1:1"), "doctor")
    assert ended.status == 2
    assert "examining the server" in ended.complaint

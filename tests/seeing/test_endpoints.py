"""A worker tells what happened in it, and how it is, to whoever asks over HTTP."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from faststream.redis import RedisBroker
from faststream.redis.prometheus import RedisPrometheusMiddleware
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from antiphon import ConfigurationError, Endpoints, Publisher, Service, Settings
from antiphon.broker.server import EmbeddedServer
from antiphon.telemetry import pulse
from antiphon_events import ServiceFailed
from child import Child
from debian import INSTALLING_SECONDS, program
from program import antiphon
from support import until
from witness import Witness, changed, running

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
GROUP = "shop.restart"

parsed: Any = text_string_to_metric_families  # it has no types

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that somebody else has."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


@asynccontextmanager
async def watched(
    settings: Settings, tmp_path: Path, serve: str = "127.0.0.1:0"
) -> AsyncIterator[tuple[Child, httpx.AsyncClient]]:
    """A worker of `watched:shop` in a process, and a client of what it serves."""
    log = tmp_path / "worker.log"
    async with Child.running("watched:shop", settings, log, ANTIPHON_SERVE=serve) as child:
        (line,) = child.said("serving.started")
        async with httpx.AsyncClient(base_url=f"http://{line['address']}", timeout=30) as client:
            yield child, client


async def fail(settings: Settings, *subjects: str) -> list[str]:
    async with Publisher(settings) as publisher:
        sent = [await publisher.publish(ServiceFailed(subject=subject)) for subject in subjects]
    return [receipt.correlation_id for receipt in sent]


async def read(client: httpx.AsyncClient) -> Samples:
    text = (await client.get("/metrics", headers=OPENMETRICS)).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"antiphon_{name}", tuple(sorted(labels.items()))))


async def test_a_worker_tells_what_became_of_steps_and_recoveries(
    settings: Settings, witness: Witness, tmp_path: Path
) -> None:
    """One failure that is answered, one after a retry, and one that nobody can answer."""
    async with watched(settings, tmp_path) as (_, client):
        fine, retried, died = await fail(settings, "fine", "retries", "dies")
        await witness.closed(fine)
        await witness.closed(retried)
        await witness.closed(died, verdict="failed")

        async def counted() -> Samples | None:
            seen = await read(client)
            opened = {"event_type": "service.failed"}
            done = value(seen, "recoveries_closed_total", **opened, verdict="completed")
            failed = value(seen, "recoveries_closed_total", **opened, verdict="failed")
            return seen if (done, failed) == (2, 1) else None

        seen = await until(counted)
    assert seen is not None
    for outcome, count in (("completed", 2), ("retrying", 1), ("died", 1)):
        name = "step_duration_seconds_count"
        assert value(seen, name, group=GROUP, outcome=outcome) == count, outcome
    assert value(seen, "step_failures_total", group=GROUP) == 2
    assert value(seen, "step_retries_total", group=GROUP) == 1
    assert value(seen, "dead_letters_total", group=GROUP) == 1
    assert value(seen, "leases_lost_total", group=GROUP) == 0
    assert value(seen, "deliveries_taken_over_total", group=GROUP) == 0
    assert value(seen, "steps_running", group=GROUP) == 0
    assert value(seen, "events_published_total", event_type="service.restarted") == 2
    assert value(seen, "recovery_duration_seconds_count", verdict="completed") == 2
    assert (value(seen, "event_loop_delay_seconds_count") or 0) > 0
    assert value(seen, "duty_last_success_timestamp_seconds", duty="timers")


async def test_a_step_that_changes_hands_is_counted_on_both_sides(
    settings: Settings, witness: Witness, tmp_path: Path
) -> None:
    """Who falls silent loses its lease, who goes on has taken over, and one of them commits."""
    settings = changed(settings, lease="1s")
    (tmp_path / "other").mkdir()
    async with watched(settings, tmp_path) as (silent, lost):
        (sent,) = await fail(settings, "hangs")
        await until(lambda: silent.said("delivery.started"))
        silent.signal(signal.SIGSTOP)
        async with watched(settings, tmp_path / "other") as (_, taking):
            await witness.closed(sent)
            assert value(await read(taking), "deliveries_taken_over_total", group=GROUP) == 1
        silent.signal(signal.SIGCONT)
        await until(lambda: silent.said("delivery.refused"))
        seen = await read(lost)
    name = "step_duration_seconds_count"
    assert value(seen, "leases_lost_total", group=GROUP) == 1
    assert value(seen, name, group=GROUP, outcome="abandoned") == 1
    assert value(seen, name, group=GROUP, outcome="completed") == 0
    assert value(seen, "steps_running", group=GROUP) == 0


async def test_a_duration_names_the_recovery_it_was_of(
    settings: Settings, witness: Witness, tmp_path: Path
) -> None:
    """In OpenMetrics a bucket carries the correlation id as exemplar; the text format has none."""
    async with watched(settings, tmp_path) as (_, client):
        (sent,) = await fail(settings, "dies")
        await witness.closed(sent, verdict="failed")

        async def exemplars() -> dict[str, str]:
            text = (await client.get("/metrics", headers=OPENMETRICS)).text
            return {
                sample.name: sample.exemplar.labels["correlation_id"]
                for family in parsed(text)
                for sample in family.samples
                if sample.exemplar
            }

        def both(found: dict[str, str]) -> bool:
            return len(found) == 2

        async def told() -> dict[str, str] | None:
            found = await exemplars()
            return found if both(found) else None

        assert await until(told) == {
            "antiphon_recovery_duration_seconds_bucket": sent,
            "antiphon_step_duration_seconds_bucket": sent,
        }
        plain = await client.get("/metrics")
    assert "correlation_id" not in plain.text
    assert plain.headers["content-type"].startswith("text/plain")


@pytest.mark.timeout(INSTALLING_SECONDS)
async def test_prometheus_finds_nothing_to_complain_of(
    settings: Settings, witness: Witness, tmp_path: Path
) -> None:
    """What a real worker tells passes the linter of Prometheus."""
    async with watched(settings, tmp_path) as (_, client):
        fine, died = await fail(settings, "fine", "dies")
        await witness.closed(fine)
        await witness.closed(died, verdict="failed")
        # The first survey may be older than the handlers; the next is ten seconds off.
        await until(lambda: _surveyed(client), timeout=30)
        told = (await client.get("/metrics")).content
    pipe = asyncio.subprocess.PIPE
    linter = await asyncio.create_subprocess_exec(
        program("promtool"), "check", "metrics", stdin=pipe, stdout=pipe, stderr=pipe
    )
    assert await linter.communicate(told) == (b"", b"")
    assert linter.returncode == 0


async def _surveyed(client: httpx.AsyncClient) -> bool:
    return value(await read(client), "queue_lag", group=GROUP, stream="service.failed") is not None


async def test_a_handler_that_blocks_is_named(settings: Settings, tmp_path: Path) -> None:
    """While the event loop hangs, the process says so, and where; afterwards it is well again."""
    async with watched(settings, tmp_path) as (_, client):
        assert (await client.get("/healthz")).json()["alive"] is True
        await fail(settings, "blocks")

        async def hangs() -> httpx.Response | None:
            said = await client.get("/healthz")
            return said if said.status_code == 503 else None

        answer = await until(hangs, timeout=20)
        assert answer is not None
        said = answer.json()
        assert said["alive"] is False
        assert said["loop_behind_seconds"] > pulse._HANGS_AFTER_S
        assert "watched.py" in said["at"]
        assert said["at"].endswith("in restart")
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"]["loop"]["ok"] is False

        async def well() -> bool:
            return (await client.get("/healthz")).status_code == 200

        await until(well, timeout=20)
        seen = await read(client)
        slow = value(seen, "event_loop_delay_seconds_bucket", le="5.0") or 0
        assert (value(seen, "event_loop_delay_seconds_count") or 0) - slow == 1


async def test_readiness_follows_the_server(server: EmbeddedServer, tmp_path: Path) -> None:
    """Ready, not ready while the server is gone, ready again when it is back; alive throughout."""
    settings = Settings(redis_url=server.url, lease="500ms")

    async def checks(wanted: int) -> dict[str, dict[str, object]] | None:
        said = await client.get("/readyz")
        assert (await client.get("/healthz")).status_code == 200
        return said.json()["checks"] if said.status_code == wanted else None

    async with watched(settings, tmp_path) as (_, client):
        await until(lambda: checks(200))
        server.kill()
        gone = await until(lambda: checks(503))
        assert gone is not None
        assert not gone["server"]["ok"]
        assert "has not answered for" in str(gone["server"]["why"])
        server.restart()
        await until(lambda: checks(200), timeout=30)


async def test_a_stopping_worker_is_not_ready(settings: Settings, tmp_path: Path) -> None:
    """From SIGTERM on, while a step still runs, no more work is to be sent to it."""
    async with watched(changed(settings, drain="20s"), tmp_path) as (child, client):
        await fail(settings, "blocks")
        await until(lambda: child.said("delivery.started"))
        child.signal(signal.SIGTERM)

        async def stopping() -> bool:
            try:
                said = (await client.get("/readyz")).json()["checks"]["running"]
            except httpx.TransportError:
                return bool(child.said("services.stopping"))
            return not said["ok"]

        await until(stopping, timeout=20)
        await child.end(0)


async def test_an_address_that_was_asked_for_must_be_free(settings: Settings, taken: str) -> None:
    """A worker that cannot listen where it was told to does not start, and says what to do."""
    ended = await antiphon(settings, "run", "tests.watched:shop", "--serve", taken)
    assert ended.status == 2
    complaint = ended.err.splitlines()[-1]
    assert complaint.startswith(
        f"antiphon: cannot serve metrics at {taken}: Address already in use"
    )
    assert "--serve" in complaint


async def test_the_default_address_may_be_taken(settings: Settings, taken: str) -> None:
    """Nobody asked for it, so a second worker on the machine logs that, and runs without."""
    settings.__dict__["serve"] = taken  # as if it were the default
    with structlog.testing.capture_logs() as logs:
        async with Endpoints(settings=settings) as endpoints:
            assert endpoints.address is None
    (said,) = logs
    assert (said["event"], said["log_level"]) == ("serving.unavailable", "warning")
    assert said["address"] == taken


@pytest.mark.parametrize("address", ["nonsense", "9464", ":9464", "127.0.0.1:70000", "[::1"])
async def test_what_is_no_address_is_refused(settings: Settings, address: str) -> None:
    """The error names what was given, and how to write one."""
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        async with Endpoints(address=address, settings=settings):
            pass
    with pytest.raises(ConfigurationError, match=r"serve \(ANTIPHON_SERVE\)"):
        Settings(serve=address)


async def test_a_service_in_a_program_of_ones_own_is_served(settings: Settings) -> None:
    """`Endpoints` is entered beside a service, and ready once its handlers read."""
    service = Service("own", settings=settings)

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    async with (
        Endpoints(service, address="127.0.0.1:0") as endpoints,
        httpx.AsyncClient(base_url=f"http://{endpoints.address}") as client,
    ):
        early = (await client.get("/readyz")).json()
        assert early["checks"]["handlers"]["why"] == "own.restart has not begun"

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        async with running(service):
            await until(ready)
        assert not await ready()
    assert endpoints.address is None


async def test_a_duty_that_is_not_done_makes_a_worker_unready(settings: Settings) -> None:
    """Whoever probes learns which one, and for how long."""
    service = Service("overdue", settings=settings)

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    async with (
        Endpoints(service, address="127.0.0.1:0") as endpoints,
        httpx.AsyncClient(base_url=f"http://{endpoints.address}") as client,
        running(service),
    ):
        [loop, *_] = service.worker._loops

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready)
        await loop.stop()
        loop.progressed -= 86_400
        said = await client.get("/readyz")
        assert said.status_code == 503
        why = said.json()["checks"]["duties"]["why"]
        assert why.startswith(f"{loop.duty.name} has not succeeded for 864")


async def test_faststreams_own_metrics_stand_beside_ours(
    settings: Settings, witness: Witness
) -> None:
    """Its middleware on the broker, and the default registry: one page tells both."""
    middleware = RedisPrometheusMiddleware(registry=REGISTRY, app_name="orders")
    broker = RedisBroker(settings.redis_url or "", middlewares=[middleware])
    service = Service("beside", settings=settings, broker=broker)

    @service.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    try:
        async with Endpoints(service, address="127.0.0.1:0") as endpoints, running(service):
            (sent,) = await fail(settings, "db")
            await witness.closed(sent)
            async with httpx.AsyncClient(base_url=f"http://{endpoints.address}") as client:
                text = await asyncio.wait_for(_with(client, "faststream_received_messages"), 10)
        assert 'antiphon_step_duration_seconds_count{group="beside.restart"' in text
    finally:
        for collector in {
            REGISTRY._names_to_collectors[name]
            for name in list(REGISTRY._names_to_collectors)
            if name.startswith("faststream")
        }:
            REGISTRY.unregister(collector)


async def _with(client: httpx.AsyncClient, word: str) -> str:
    async def told() -> str | None:
        text = (await client.get("/metrics")).text
        return text if f"{word}_total" in text else None

    return str(await until(told))

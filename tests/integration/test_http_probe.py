"""The probe against a real service and a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import cast

import pytest
from redis import Redis

from antiphon import Publisher, Receipt, Settings, StreamUnavailable
from antiphon.broker.server import EmbeddedServer
from antiphon.keys import Keys
from antiphon_events import Envelope, Event, ServiceFailed
from antiphon_handlers.demo.shop.http_server import Answer, Request, serve
from antiphon_handlers.http_probe import HttpProbe, Target
from support import until

Fields = dict[bytes, bytes]


@dataclass
class Patient:
    """A service whose health is the test's to decide."""

    url: str = ""
    well: bool = True
    checks: int = 0

    def answer(self, request: Request) -> Answer:
        del request
        self.checks += 1
        return Answer(HTTPStatus.OK if self.well else HTTPStatus.SERVICE_UNAVAILABLE, {})


@pytest.fixture
def patient() -> Iterator[Patient]:
    service = Patient()
    with serve(service, port=None) as server:
        service.url = f"http://127.0.0.1:{server.server_port}/health"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield service
        server.shutdown()
        thread.join()


@pytest.fixture
def published(redis_url: str, settings: Settings) -> Iterator[Published]:
    with Redis.from_url(redis_url) as client:
        yield Published(client, Keys(settings.cell))


@dataclass
class Published:
    """What is in the streams."""

    client: Redis
    keys: Keys

    def __call__(self, event_type: str) -> list[Fields]:
        rows = self.client.xrange(self.keys.events(event_type))
        return [fields for _, fields in cast("list[tuple[bytes, Fields]]", rows)]


@asynccontextmanager
async def probing(patient: Patient, publisher: Publisher) -> AsyncIterator[None]:
    target = Target(
        url=patient.url,
        subject="orders-db",
        every=timedelta(milliseconds=5),
        failures=2,
        successes=2,
    )
    task = asyncio.create_task(HttpProbe(target, publisher).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def checked_again(patient: Patient, times: int = 10) -> None:
    enough = patient.checks + times
    await until(lambda: patient.checks >= enough)


async def test_an_outage_is_one_failure_and_one_recovery_of_the_same_story(
    patient: Patient, settings: Settings, published: Published
) -> None:
    """Down is published once; back is published once, in the same recovery, caused by it."""
    async with Publisher(settings) as publisher, probing(patient, publisher):
        await checked_again(patient)
        assert published("service.failed") == []
        patient.well = False
        await until(lambda: published("service.failed"))
        await checked_again(patient)
        patient.well = True
        await until(lambda: published("service.recovered"))
        await checked_again(patient)
    (failed,) = published("service.failed")
    (recovered,) = published("service.recovered")
    assert failed[b"subject"] == recovered[b"subject"] == b"orders-db"
    assert failed[b"correlationid"] == recovered[b"correlationid"] == failed[b"id"]
    assert recovered[b"causationid"] == failed[b"id"]
    assert b"status 503" in failed[b"data"]
    assert json.loads(recovered[b"data"])["downtime_ms"] > 0


async def test_what_ends_an_outage_belongs_to_the_recovery_its_failure_joined(
    patient: Patient, settings: Settings, published: Published
) -> None:
    """Somebody else saw it first: both tell one story, and the end opens no recovery of its own."""
    async with Publisher(settings) as publisher, Publisher(settings, source="other") as other:
        first = await other.publish(ServiceFailed(subject="orders-db"))
        async with probing(patient, publisher):
            patient.well = False
            await checked_again(patient)
            patient.well = True
            await until(lambda: published("service.recovered"))
    (recovered,) = published("service.recovered")
    assert recovered[b"correlationid"].decode() == first.correlation_id
    assert len(published("service.failed")) == 1


class LosingReplies(Publisher):
    """Publishes, and then does not hear that it did."""

    lost = 0

    async def publish(
        self, event: Event, *, envelope: Envelope | None = None, **_: object
    ) -> Receipt:
        receipt = await super().publish(event, envelope=envelope)
        if self.lost < 3:
            self.lost += 1
            raise StreamUnavailable
        return receipt


async def test_what_redis_did_not_confirm_is_said_again_and_stays_one(
    patient: Patient, settings: Settings, published: Published
) -> None:
    """However often publishing is repeated, each change of health is one entry."""
    async with LosingReplies(settings) as publisher, probing(patient, publisher):
        patient.well = False
        await until(lambda: publisher.lost == 3 and published("service.failed"))
        patient.well = True
        await until(lambda: published("service.recovered"))
    assert len(published("service.failed")) == 1
    assert len(published("service.recovered")) == 1


class Away(Publisher):
    """Cannot reach Redis until told."""

    back = False
    tries = 0

    async def publish(
        self, event: Event, *, envelope: Envelope | None = None, **_: object
    ) -> Receipt:
        self.tries += 1
        if not self.back:
            raise StreamUnavailable
        return await super().publish(event, envelope=envelope)


async def test_while_redis_is_away_the_probe_goes_on_and_remembers(
    patient: Patient, settings: Settings, published: Published
) -> None:
    """A whole outage that nobody could be told of is told in order when Redis is back."""
    async with Away(settings) as publisher, probing(patient, publisher):
        patient.well = False
        await until(lambda: publisher.tries)
        await checked_again(patient)
        patient.well = True
        await checked_again(patient)
        assert published("service.failed") == published("service.recovered") == []
        publisher.back = True
        await until(lambda: published("service.recovered"))
    (failed,) = published("service.failed")
    (recovered,) = published("service.recovered")
    assert recovered[b"causationid"] == failed[b"id"]


async def test_an_outage_of_redis_during_an_outage_is_survived(
    patient: Patient, server: EmbeddedServer
) -> None:
    """A failure found while Redis is really down is published once when it is up again."""
    settings = Settings(redis_url=server.url, cell="probe")
    async with Publisher(settings) as publisher, probing(patient, publisher):
        await checked_again(patient)
        server.kill()
        patient.well = False
        await checked_again(patient)
        server.restart()
        with Redis.from_url(server.url) as client:
            published = Published(client, Keys("probe"))
            await until(lambda: published("service.failed"), timeout=30)
            patient.well = True
            await until(lambda: published("service.recovered"), timeout=30)
            assert len(published("service.failed")) == 1


async def start_command(*options: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon", "probe", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )


async def test_the_command_says_what_it_does_and_stops_when_asked(
    patient: Patient, settings: Settings, published: Published
) -> None:
    """`antiphon probe --json` writes a line per fact, and SIGTERM ends it without an error."""
    patient.well = False
    process = await start_command(
        *(patient.url, "--subject", "orders-db", "--every", "20ms", "--failures", "2"),
        *("--type", "service.degraded", "--json"),
        ANTIPHON_REDIS_URL=settings.redis_url or "",
        ANTIPHON_CELL=settings.cell,
    )
    await until(lambda: published("service.degraded"), timeout=60)
    process.send_signal(signal.SIGTERM)
    out, _ = await process.communicate()
    assert process.returncode == 0
    lines = [json.loads(line) for line in out.splitlines()]
    names = [line["event"] for line in lines]
    assert names == [
        "probe.started",
        "check.failed",
        "check.failed",
        "event.published",
        "probe.stopped",
    ]
    (entry,) = published("service.degraded")
    assert lines[3]["correlation_id"] == entry[b"correlationid"].decode()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--every", "soon"), "soon"),
        (("--failures", "0"), "--failures"),
        (("--type", "service.recovered"), "service.recovered"),
    ],
)
async def test_the_command_refuses_what_makes_no_sense(options: tuple[str, ...], said: str) -> None:
    """A wrong option is named on standard error, and nothing is probed."""
    process = await start_command("http://127.0.0.1:1/", "--subject", "orders-db", *options)
    _, err = await process.communicate()
    assert process.returncode == 2
    assert said in err.decode()

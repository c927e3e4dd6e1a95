"""The sentry: a server that would lose data is refused, a clock that jumps is reported."""

from __future__ import annotations

import dataclasses
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog

from antiphon import ConfigurationError, Service, Settings
from antiphon.broker.server import EmbeddedServer
from antiphon.broker.session import Session
from antiphon.duties.sentry import Sentry
from antiphon_events import ServiceFailed
from witness import Witness, changed, running


def _ops(settings: Settings) -> Service:
    ops = Service("ops", settings=settings)

    @ops.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    return ops


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_evicts_is_refused(server: EmbeddedServer, policy: str) -> None:
    """Nothing is started on it, and the message names the policy and both remedies."""
    settings = Settings(redis_url=server.url)
    async with Witness.open(settings) as witness:
        await witness.client.config_set("maxmemory-policy", policy)
        ops = _ops(settings)
        with pytest.raises(ConfigurationError) as refusal:
            await ops.start()
        await ops.stop()
        assert await witness.client.keys("*") == []
    for word in (f"is {policy}", "noeviction", "ANTIPHON_ALLOW_EVICTION=1"):
        assert word in str(refusal.value)


async def test_a_server_that_evicts_can_be_accepted(server: EmbeddedServer) -> None:
    """Whoever knows what may be lost can say so."""
    settings = Settings(redis_url=server.url)
    async with Witness.open(settings) as witness:
        await witness.client.config_set("maxmemory-policy", "allkeys-lru")
        ops = _ops(changed(settings, allow_eviction=True))
        async with running(ops):
            receipt = await ops.publish(ServiceFailed(subject="api"))
            await witness.closed(receipt.correlation_id)


class Clock:
    """A server whose clock says what it is told to."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    async def time(self) -> tuple[int, int]:
        return self.seconds, 0


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_jump_of_the_clock_is_reported_once(settings: Settings, hours: int) -> None:
    """When the server's clock jumps, an error says by how much and what shifts with it."""
    session = Session.open(settings)
    clock: Any = Clock(seconds=1_800_000_000)
    sentry = Sentry(dataclasses.replace(session, client=clock))
    captured: list[MutableMapping[str, Any]]
    with structlog.testing.capture_logs() as captured:
        await sentry.once()
        await sentry.once()
        assert captured == []
        clock.seconds += hours * 3600
        await sentry.once()
        await sentry.once()
    await session.aclose()
    [line] = captured
    assert (line["event"], line["log_level"]) == ("clock.jumped", "error")
    assert line["by_s"] == pytest.approx(hours * 3600, abs=5)
    assert "retentions" in line["effect"]

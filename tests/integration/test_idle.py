"""What a worker with nothing to do asks of the server."""

from __future__ import annotations

import time

from antiphon import Service, Settings
from antiphon.broker.server import EmbeddedServer
from antiphon_events import ServiceFailed
from support import until
from witness import Witness, running

HANDLERS, SECONDS = 50, 4.0


def _idle(settings: Settings) -> Service:
    service = Service("idle", settings=settings)
    for number in range(HANDLERS):

        async def wait(failed: ServiceFailed) -> None: ...

        wait.__name__ = f"handler_{number}"
        service.on(ServiceFailed.about(f"subject-{number}"))(wait)
    return service


async def test_fifty_idle_handlers_are_quiet(server: EmbeddedServer) -> None:
    """Fifty handlers with nothing to do cost the server fewer than 20 commands a second."""
    settings = Settings(redis_url=server.url)
    async with Witness.open(settings) as witness, running(_idle(settings)):
        await until(lambda: _reading(witness, HANDLERS))
        before, since = await _commands(witness), time.monotonic()
        await until(lambda: time.monotonic() - since > SECONDS)
        commands = await _commands(witness) - before - 1  # our own look
        rate = commands / (time.monotonic() - since)
    assert rate < 20


async def _commands(witness: Witness) -> int:
    count: int = (await witness.client.info("stats"))["total_commands_processed"]
    return count


async def _reading(witness: Witness, readers: int) -> bool:
    clients = await witness.client.client_list()
    return [client["cmd"] for client in clients].count("xreadgroup") == readers

"""Endpoints: where a process tells its metrics, and whether it is alive and ready."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Self

from antiphon.address import Address
from antiphon.broker.contact import Contact
from antiphon.broker.errand import Errand
from antiphon.broker.survey import Surveying
from antiphon.duties.loop import Loop
from antiphon.duties.surveyor import Surveyor
from antiphon.errors import ConfigurationError
from antiphon.service import Service
from antiphon.settings import Settings
from antiphon.telemetry.cell import CELL
from antiphon.telemetry.health import Answer, Check, liveness, readiness
from antiphon.telemetry.logging import get_logger
from antiphon.telemetry.pulse import Pulse
from antiphon.telemetry.serving import Application, Server


class Endpoints:
    """Serves ``/metrics``, ``/healthz`` and ``/readyz`` for services of this process.

    Enter it before the services start, and leave it after they have stopped.
    While it is entered, the cell of the first service is surveyed and the event loop watched.

    Example:
        >>> async with Endpoints(orders_db):
        ...     await orders_db.start()

    Args:
        *services: those that must work for the process to be ready.
        address: where, such as ``"127.0.0.1:9464"``; the setting `serve` unless given. ``"off"``:
            nowhere, for those who serve the default registry themselves.
        settings: where the server is; those of the first service unless given.

    Raises:
        ConfigurationError: on entering; the address is none, or cannot be had although somebody
            asked for it. When nobody did, that is logged.
    """

    def __init__(
        self, *services: Service, address: str | None = None, settings: Settings | None = None
    ) -> None:
        self._workers = [(service.worker, service.handlers) for service in services]
        self._settings = settings or (services[0].settings if services else Settings())
        self._asked = address is not None or "serve" in self._settings.model_fields_set
        self._where = self._settings.serve if address is None else address
        self._stack = AsyncExitStack()
        self._pulse = Pulse()
        self._contact: Contact | None = None
        self._stopping = False
        self._log = get_logger()
        self.address: Address | None = None
        """Where it answers; None while nowhere."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            listening = self._listen(stack)
            if listening or self._where == "off":
                await self._watch(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stopping()
        await self._stack.aclose()
        self.address = None

    def stopping(self) -> None:
        """Be ready no more: whoever sends work here should send it elsewhere."""
        self._stopping = True

    def _listen(self, stack: AsyncExitStack) -> bool:
        """Answer at the address, if there is one that can be had."""
        if self._where is None or self._where == "off":
            return False
        try:
            wanted = Address.parse(self._where)
        except ValueError as error:
            raise ConfigurationError(f"serve: {error}, or off") from error
        probes = {"/healthz": lambda: liveness(self._pulse), "/readyz": self._readiness}
        try:
            server = Server(wanted, Application(probes))
        except OSError as error:
            if self._asked:
                raise ConfigurationError(
                    f"cannot serve metrics at {wanted}: {error.strerror or error}; name another "
                    "address with --serve or ANTIPHON_SERVE, port 0 for any that is free, or off"
                ) from error
            self._log.warning(
                "serving.unavailable", address=str(wanted), error=error.strerror or str(error)
            )
            return False
        server.start()
        stack.push_async_callback(asyncio.to_thread, server.stop)
        self.address = server.address
        self._log.info("serving.started", address=str(server.address))
        return True

    async def _watch(self, stack: AsyncExitStack) -> None:
        errand = await stack.enter_async_context(Errand.begin(self._settings))
        self._contact = Contact(errand.client)
        surveyor = Loop(Surveyor(Surveying(errand)))
        stack.callback(CELL.clear)
        stack.push_async_callback(surveyor.stop)
        surveyor.start()
        tasks = [
            asyncio.create_task(self._pulse.beat(), name="antiphon.pulse"),
            asyncio.create_task(self._contact.keep(), name="antiphon.contact"),
        ]
        stack.push_async_callback(_end, tasks)

    def _readiness(self) -> Answer:
        server = self._contact.trouble if self._contact else "it has not been asked yet"
        stopping = "the process is stopping" if self._stopping else ""
        hangs = "the event loop does not turn: see /healthz" if self._pulse.hangs else ""
        handlers, duties = [], []
        now = time.monotonic()
        for worker, expected in self._workers:
            trouble = worker.troubles(expected, now)
            handlers += trouble.handlers
            duties += trouble.duties
        return readiness(
            [
                Check("handlers", "; ".join(handlers)),
                Check("duties", "; ".join(duties)),
                Check("server", server),
                Check("loop", hangs),
                Check("running", stopping),
            ]
        )


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

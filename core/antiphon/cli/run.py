"""`antiphon run`: run the handlers of one or several services."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from antiphon.cli.options import CellOption, UrlOption, export, settings_from
from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon.service import Service
    from antiphon.settings import Settings


def run(
    services: Annotated[
        list[str], typer.Argument(metavar="MODULE:SERVICE...", help="The services to run.")
    ],
    *,
    url: UrlOption = None,
    cell: CellOption = None,
    log_format: Annotated[
        Literal["json", "console"] | None, typer.Option(help="How log lines look.")
    ] = None,
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Where to tell metrics and health, as HOST:PORT; off for nowhere.",
        ),
    ] = None,
) -> None:
    """Run the handlers of one or several services until interrupted.

    On SIGTERM or Ctrl-C it stops reading, lets deliveries finish within ANTIPHON_DRAIN, and hands
    the rest to other workers.
    """
    from antiphon.loading import load_service  # noqa: PLC0415  keep `--help` quick
    from antiphon.telemetry.logging import configure  # noqa: PLC0415

    export(url, cell)
    settings = settings_from(url, cell, serve)
    configure(log_format or settings.log_format, settings.log_level)
    loaded = [load_service(name) for name in services]
    for service in loaded:
        if not service.handlers:
            raise ConfigurationError(f"{service.name} has no handlers: nothing to run")
    asyncio.run(_serve(loaded, settings))


async def _serve(services: list[Service], settings: Settings) -> None:
    from antiphon.endpoints import Endpoints  # noqa: PLC0415  as above
    from antiphon.telemetry.logging import get_logger  # noqa: PLC0415  as above

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        endpoints = await stack.enter_async_context(Endpoints(*services, settings=settings))
        for service in services:
            await stack.enter_async_context(service.app.lifespan_context())
            await service.app.start()
            stack.push_async_callback(service.app.stop)
        names = [service.name for service in services]
        get_logger().info("services.ready", services=names, cell=settings.cell)
        await stopping.wait()
        endpoints.stopping()
        get_logger().info("services.stopping", services=names)

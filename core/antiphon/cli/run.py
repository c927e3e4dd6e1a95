"""`antiphon run`: run the handlers of one or several services."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from antiphon.cli.options import CellOption, UrlOption, export, settings_from
from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon.service import Service
    from antiphon.settings import Settings
    from antiphon.telemetry.logging import Log

_LAST_SPANS = timedelta(seconds=5)
"""How long a stopping program waits for its last spans to be taken."""


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
    stop_exporting = _export_spans(settings, [service.name for service in loaded])
    try:
        asyncio.run(_serve(loaded, settings))
    finally:
        if stop_exporting is not None and not stop_exporting(_LAST_SPANS):
            _log().warning("spans.unsent", waited_s=_LAST_SPANS.total_seconds())


def _export_spans(settings: Settings, services: list[str]) -> Callable[[timedelta], bool] | None:
    """Export spans if that is asked for; returns what ends it.

    Whatever tracer provider the services have set is left to them.

    Raises:
        ConfigurationError: it is asked for by us, and the extra is not installed.
    """
    from antiphon.telemetry import tracing  # noqa: PLC0415  as above

    if settings.otel is False or tracing.recording(settings) is not None:
        return None
    if not settings.otel and not tracing.asked_for(os.environ):
        return None
    if not tracing.installed():  # these variables may be meant for other programs
        _log().warning("spans.unavailable", remedy="pip install 'antiphon[otel]'")
        return None
    from antiphon.telemetry.exporting import export_spans  # noqa: PLC0415  only when asked for

    return export_spans(services)


def _log() -> Log:
    from antiphon.telemetry.logging import get_logger  # noqa: PLC0415  as above

    return get_logger()


async def _serve(services: list[Service], settings: Settings) -> None:
    from antiphon.endpoints import Endpoints  # noqa: PLC0415  as above

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        endpoints = await stack.enter_async_context(Endpoints(*services, settings=settings))
        for service in services:
            await stack.enter_async_context(service.app.lifespan_context())
            try:
                await service.app.start()
            except BaseException:
                await service.stop()  # handlers that had begun hand back what they hold
                raise
            stack.push_async_callback(service.app.stop)
        names = [service.name for service in services]
        _log().info("services.ready", services=names, cell=settings.cell)
        await stopping.wait()
        endpoints.stopping()
        _log().info("services.stopping", services=names)

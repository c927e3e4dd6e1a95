"""``antiphon probe``: watch one URL from the shell, and publish when its health changes."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, length, settings_from

if TYPE_CHECKING:
    from antiphon.settings import Settings
    from antiphon_events import Failure
    from antiphon_handlers.http_probe import Target


def probe(
    url: Annotated[str, typer.Argument(metavar="URL", help="Asked with GET; 2xx is good.")],
    *,
    subject: Annotated[str, typer.Option(help="The service the events are about.")],
    every: Annotated[
        timedelta,
        typer.Option(
            parser=length,
            metavar="DURATION",
            show_default="1s",
            help="From one check to the next.",
        ),
    ] = timedelta(seconds=1),
    timeout: Annotated[
        timedelta,
        typer.Option(
            parser=length,
            metavar="DURATION",
            show_default="2s",
            help="How long an answer may take.",
        ),
    ] = timedelta(seconds=2),
    failures: Annotated[int, typer.Option(min=1, help="Bad checks that make it down.")] = 3,
    successes: Annotated[int, typer.Option(min=1, help="Good checks that make it up.")] = 1,
    event_type: Annotated[
        str, typer.Option("--type", help="The failure to publish.")
    ] = "service.failed",
    repeat: Annotated[
        timedelta,
        typer.Option(
            parser=length,
            metavar="DURATION",
            show_default="5m",
            help="How long it may be down before that is said again.",
        ),
    ] = timedelta(minutes=5),
    json: JsonOption = False,
    redis: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Watch URL; publish a failure when it goes down, and its recovery when it is back."""
    from antiphon.telemetry.logging import configure  # noqa: PLC0415  keep `--help` quick
    from antiphon_handlers.http_probe import Target  # noqa: PLC0415

    configure("json" if json else "console", stream=sys.stdout)
    target = Target(
        url=url,
        subject=subject,
        every=every,
        timeout=timeout,
        failures=failures,
        successes=successes,
        failure=_failure(event_type),
        repeat=repeat,
    )
    asyncio.run(_watch(target, settings_from(redis, cell)))


def _failure(event_type: str) -> type[Failure]:
    from antiphon_events import Failure, event_class, event_types  # noqa: PLC0415

    kinds = {name: event_class(name) for name in event_types()}
    found = kinds.get(event_type)
    if found is None or not issubclass(found, Failure):
        failures = ", ".join(name for name, kind in kinds.items() if issubclass(kind, Failure))
        raise typer.BadParameter(f"{event_type!r} is no failure: use one of {failures}")
    return found


async def _watch(target: Target, settings: Settings) -> None:
    """Probe until SIGINT or SIGTERM."""
    from antiphon import Publisher  # noqa: PLC0415
    from antiphon_handlers.http_probe import HttpProbe  # noqa: PLC0415

    async with Publisher(settings, source="probe") as publisher:
        watching = asyncio.ensure_future(HttpProbe(target, publisher).run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, watching.cancel)
        with suppress(asyncio.CancelledError):
            await watching

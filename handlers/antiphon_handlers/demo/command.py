"""``antiphon demo``: real failures and real recoveries, with nothing to set up."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from antiphon import ConfigurationError
from antiphon.cli.options import JsonOption, UrlOption, settings_from

if TYPE_CHECKING:
    from antiphon_handlers.demo.house import Place
    from antiphon_handlers.demo.narrator import Narrator
    from antiphon_handlers.demo.result import Report

    Performance = Callable[[Place, Narrator], Coroutine[Any, Any, Report]]

KeepOption = Annotated[
    Path | None,
    typer.Option("--keep", help="Run in this new directory, and leave it there."),
]

demo = typer.Typer(add_completion=False)


@demo.callback(invoke_without_command=True)
def shop(
    ctx: typer.Context,
    *,
    json_: JsonOption = False,
    kill_worker: Annotated[
        bool, typer.Option("--kill-worker", help="Kill a worker in the middle of its step too.")
    ] = False,
    keep: KeepOption = None,
    url: UrlOption = None,
) -> None:
    """Break a small shop of real processes, and watch its services bring it back.

    Without --url and ANTIPHON_REDIS_URL it starts a private server of its own.
    The commands show what guards are for: each lets automation itself go wrong.
    """
    if ctx.invoked_subcommand is not None:
        if json_ or kill_worker or keep is not None or url is not None:
            raise ConfigurationError(f"give options after `{ctx.invoked_subcommand}`")
        return
    from antiphon_handlers.demo.runner import perform_shop  # noqa: PLC0415  keep help quick

    async def performance(place: Place, narrator: Narrator) -> Report:
        return await perform_shop(place, narrator, kill_worker=kill_worker)

    _run(performance, as_json=json_, keep=keep, url=url)


@demo.command()
def loop(*, json_: JsonOption = False, keep: KeepOption = None, url: UrlOption = None) -> None:
    """Restart a service that dies again each time, until a guard stops that."""
    from antiphon_handlers.demo.guards.loop import perform_loop  # noqa: PLC0415  as above

    _run(perform_loop, as_json=json_, keep=keep, url=url)


@demo.command()
def cascade(*, json_: JsonOption = False, keep: KeepOption = None, url: UrlOption = None) -> None:
    """Let two restarts break each other's service, until a limit halts the recovery."""
    from antiphon_handlers.demo.guards.cascade import perform_cascade  # noqa: PLC0415  as above

    _run(perform_cascade, as_json=json_, keep=keep, url=url)


@demo.command()
def storm(*, json_: JsonOption = False, keep: KeepOption = None, url: UrlOption = None) -> None:
    """Publish one failure a thousand times, and see it recovered once."""
    from antiphon_handlers.demo.guards.storm import perform_storm  # noqa: PLC0415  as above

    _run(perform_storm, as_json=json_, keep=keep, url=url)


def _run(performance: Performance, *, as_json: bool, keep: Path | None, url: str | None) -> None:
    """Perform, tell how it ended, and end with the status that says so."""
    from antiphon_handlers.demo.house import DemoFailed, Place  # noqa: PLC0415  as above

    place = Place(keep=keep, url=settings_from(url, None).redis_url)
    try:
        report = asyncio.run(_until_stopped(performance(place, _narrator(as_json=as_json))))
    except DemoFailed as failure:
        if as_json:
            typer.echo(json.dumps({"verdict": None, "error": str(failure)}))
        typer.echo(f"antiphon demo: {failure}", err=True)
        raise typer.Exit(1) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("antiphon demo: stopped; nothing is left running", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(report.to_dict()))
    else:
        typer.echo()
        for line in report.epilogue():
            typer.echo(line)
    raise typer.Exit(0 if report.succeeded else 1)


async def _until_stopped(performance: Coroutine[Any, Any, Report]) -> Report:
    """Perform; SIGTERM ends it as Ctrl-C does."""
    performing = asyncio.ensure_future(performance)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performing.cancel)
    return await performing


def _narrator(*, as_json: bool) -> Narrator:
    from rich.console import Console  # noqa: PLC0415  keep help quick

    from antiphon_handlers.demo.narrator import Lines, Silent, Terminal  # noqa: PLC0415

    console = Console()
    if as_json:
        return Silent()
    return Terminal(console) if console.is_terminal else Lines(console)

"""``antiphon demo``: a real failure and a real recovery, with nothing to set up."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import JsonOption, UrlOption, settings_from

if TYPE_CHECKING:
    from antiphon_handlers.demo.narrator import Narrator
    from antiphon_handlers.demo.result import Result
    from antiphon_handlers.demo.runner import Options


def demo(
    *,
    json_: JsonOption = False,
    kill_worker: Annotated[
        bool, typer.Option("--kill-worker", help="Kill a worker in the middle of its step too.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Run in this new directory, and leave it there.")
    ] = None,
    url: UrlOption = None,
) -> None:
    """Break a small shop of real processes, and watch its services bring it back.

    Without --url and ANTIPHON_REDIS_URL it starts a private server of its own.
    """
    from antiphon_handlers.demo.runner import DemoFailed, Options  # noqa: PLC0415  keep help quick

    redis_url = settings_from(url, None).redis_url
    options = Options(kill_worker=kill_worker, keep=keep, url=redis_url)
    try:
        result = asyncio.run(_until_stopped(options, _narrator(as_json=json_)))
    except DemoFailed as failure:
        if json_:
            typer.echo(json.dumps({"verdict": None, "error": str(failure)}))
        typer.echo(f"antiphon demo: {failure}", err=True)
        raise typer.Exit(1) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("antiphon demo: stopped; nothing is left running", err=True)
        raise typer.Exit(130) from None
    if json_:
        typer.echo(json.dumps(result.to_dict()))
    else:
        _say_how_it_ended(result)
    raise typer.Exit(0 if result.succeeded else 1)


async def _until_stopped(options: Options, narrator: Narrator) -> Result:
    """Perform; SIGTERM ends it as Ctrl-C does."""
    from antiphon_handlers.demo.runner import perform  # noqa: PLC0415  keep help quick

    performing = asyncio.ensure_future(perform(options, narrator))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performing.cancel)
    return await performing


def _narrator(*, as_json: bool) -> Narrator:
    from rich.console import Console  # noqa: PLC0415  keep help quick

    from antiphon_handlers.demo.narrator import Lines, Silent, Terminal  # noqa: PLC0415

    console = Console()
    if as_json:
        return Silent()
    return Terminal(console) if console.is_terminal else Lines(console)


def _say_how_it_ended(result: Result) -> None:
    agreed = "tell the same story" if result.logs_agree else "do NOT tell the same story"
    typer.echo(f"\nThe log files alone {agreed} as the record.")
    typer.echo(f"Order {result.order['id']} was placed on the reopened front page.")
    kept = "is still there" if result.earlier_order_kept else "is LOST"
    typer.echo(f"The order placed before the failure {kept}.")

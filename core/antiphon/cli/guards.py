"""``antiphon guards``: what the guards hold and count, and the end of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from
from antiphon.cli.output import print_json
from antiphon.cli.who import AsOption, who
from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon.guards.state import GuardState
    from antiphon.settings import Settings

guards = typer.Typer(add_completion=False)


@guards.callback(invoke_without_command=True)
def show(
    ctx: typer.Context,
    *,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Show what is paused, what guards hold and count, and whom nobody has answered.

    A guard is listed while it has something to show: an attempt within its window, a failure
    counted by a breaker, a resource in use.
    """
    if ctx.invoked_subcommand is not None:
        if json or url is not None or cell is not None:
            raise ConfigurationError(f"give options after `{ctx.invoked_subcommand}`")
        return
    from antiphon.cli.guardlist import draw  # noqa: PLC0415  keep `--help` quick

    state = asyncio.run(_state(settings_from(url, cell)))
    if json:
        print_json(state.to_dict())
    elif state.quiet:
        typer.echo("Nothing is paused, and no guard holds or counts anything.")
    else:
        draw(state)


@guards.command()
def reset(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="breaker, budget, rate, relapse or exclusive.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `antiphon guards` shows it.")],
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever wonders.")],
    as_: AsOption = None,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Make a guard forget what it knows, and look again at what it holds.

    A breaker is closed then, a budget unspent, a resource free, even if its holder still runs.
    """
    held = asyncio.run(_reset(settings_from(url, cell), kind, name, who(as_), reason))
    if json:
        print_json({"kind": kind, "name": name, "freed": held})
    else:
        counted = "1 delivery was" if held == 1 else f"{held} deliveries were"
        typer.echo(f"Reset {kind} {name}; {counted} held.")


async def _state(settings: Settings) -> GuardState:
    from antiphon.broker.errand import Errand  # noqa: PLC0415  as above
    from antiphon.broker.inspection import inspect  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await inspect(errand)


async def _reset(settings: Settings, kind: str, name: str, by: str, reason: str) -> int:
    from antiphon.broker.errand import Errand  # noqa: PLC0415  as above
    from antiphon.broker.switch import Switch  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await Switch(errand, by, reason).reset(kind, name)

"""``antiphon groups``: which handlers the cell knows, and the end of those that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, YesOption, settings_from
from antiphon.cli.output import console, print_json, table
from antiphon.errors import AntiphonError

if TYPE_CHECKING:
    from antiphon.broker.groups import Group
    from antiphon.broker.retirement import Owed
    from antiphon.census import GroupCensus
    from antiphon.settings import Settings

groups = typer.Typer(add_completion=False, no_args_is_help=True)


@groups.callback()
def about() -> None:
    """See which handlers the cell knows, and retire those that are gone.

    Every handler has a consumer group of its own, named SERVICE.HANDLER. It is registered when a
    worker first runs the handler, and from then on recoveries wait for it.
    """


@groups.command("list")
def list_(*, json: JsonOption = False, url: UrlOption = None, cell: CellOption = None) -> None:
    """List the groups of the cell, and what waits for each."""
    found = asyncio.run(_registered(settings_from(url, cell)))
    if json:
        print_json([group.to_dict() for group in found])
    elif found:
        _draw(found)
    else:
        typer.echo("No handler is registered yet.")


@groups.command()
def retire(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The group: SERVICE.HANDLER.")],
    *,
    yes: YesOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if somebody may still read for it.")
    ] = False,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Retire a group whose handler was renamed or removed, so that nothing waits for it.

    What recoveries still wait for from it ends unanswered. If it is interrupted, run it again.
    """
    settings = settings_from(url, cell)
    group, owed = asyncio.run(_consider(settings, name, force=force))
    if not yes:
        typer.confirm(f"Retire {name}? {_ending(owed)}", abort=True, err=True)
    settled = asyncio.run(_retire(settings, group))
    if json:
        print_json(
            {
                "group": name,
                "settled": [
                    {"correlation_id": one.correlation_id, "outstanding": one.member}
                    for one in settled
                ],
            }
        )
    else:
        typer.echo(f"Retired {name}. {_ended(settled)}")


async def _registered(settings: Settings) -> Sequence[GroupCensus]:
    from antiphon.broker.census import take_census  # noqa: PLC0415  keep `--help` quick
    from antiphon.broker.errand import Errand  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return (await take_census(errand)).groups


async def _consider(settings: Settings, name: str, *, force: bool) -> tuple[Group, Sequence[Owed]]:
    """Find the group and what waits for it; refuse when somebody may read for it."""
    from antiphon.broker.census import take_census  # noqa: PLC0415  as above
    from antiphon.broker.errand import Errand  # noqa: PLC0415
    from antiphon.broker.groups import Group, registered  # noqa: PLC0415
    from antiphon.broker.retirement import Retirement  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        census = await take_census(errand)
        group = await registered(errand.client, errand.keys, name) or Group.stranger(name)
        owed = await Retirement(errand, group).owed()
    found = next((known for known in census.groups if known.name == name), None)
    if found is not None and found.live and not force:
        raise AntiphonError(_in_use(found, settings))
    strange = any(name in stream.strangers for stream in census.streams)
    if found is None and strange and not force:
        raise AntiphonError(
            f"{name} is a consumer group no handler registered, so another program may read with "
            "it; --force retires it all the same"
        )
    if found is None and not strange and not owed:
        known = ", ".join(group.name for group in census.groups)
        raise AntiphonError(
            f"there is no group {name!r} in the cell {settings.cell!r}; there is: {known or 'none'}"
        )
    return group, owed


def _in_use(group: GroupCensus, settings: Settings) -> str:
    from antiphon.trace.words import spell  # noqa: PLC0415  as above

    answered_for = -group.away if group.away is not None and group.away < timedelta() else None
    return (
        f"a worker runs {group.name}: stop it, and try again in "
        f"{spell(answered_for or 2 * settings.lease)}. --force retires it now, but a worker that "
        "is still running registers it again"
    )


async def _retire(settings: Settings, group: Group) -> Sequence[Owed]:
    from antiphon.broker.errand import Errand  # noqa: PLC0415  as above
    from antiphon.broker.retirement import Retirement  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await Retirement(errand, group).carry_out()


def _ending(owed: Sequence[Owed]) -> str:
    if not owed:
        return "Nothing waits for it."
    recoveries = len({one.correlation_id for one in owed})
    return (
        f"What {recoveries} open {'recovery waits' if recoveries == 1 else 'recoveries wait'} for "
        "from it ends unanswered."
    )


def _ended(settled: Sequence[Owed]) -> str:
    if not settled:
        return "Nothing waited for it."
    lines = (f"\n  {one.correlation_id}  {one.member}" for one in settled)
    return f"Ended unanswered:{''.join(lines)}"


def _draw(found: Sequence[GroupCensus]) -> None:
    from rich.text import Text  # noqa: PLC0415  as above

    from antiphon.trace.words import plain, spell  # noqa: PLC0415

    rows = table("group", "worker", "unread", "pending", "stuck", "reacts to", wrapped="reacts to")
    for group in found:
        away = "never" if group.away is None else f"{spell(group.away)} ago"
        reacts = (
            kind if subject is None else f"{kind} about {subject}"
            for kind, subject in group.subscriptions
        )
        rows.add_row(
            Text(plain(group.name)),
            "now" if group.live else away,
            "some" if group.lag is None else str(group.lag),
            str(group.pending),
            str(group.stuck),
            Text(plain(", ".join(reacts))),
        )
    console().print(rows)

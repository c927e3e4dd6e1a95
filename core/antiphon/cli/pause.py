"""``antiphon pause`` and ``antiphon resume``: the kill switch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from
from antiphon.cli.output import print_json
from antiphon.cli.who import AsOption, who

if TYPE_CHECKING:
    from antiphon.broker.switch import Paused, Resumed
    from antiphon.guards.scope import Scope
    from antiphon.guards.state import Pause
    from antiphon.settings import Settings

ServiceOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only the handlers of this service.")
]
SubjectOption = Annotated[str | None, typer.Option(metavar="NAME", help="Only what is about this.")]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever wonders.")]


def pause(
    *,
    service: ServiceOption = None,
    subject: SubjectOption = None,
    as_: AsOption = None,
    reason: ReasonOption = "",
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Let no handler begin anything: of one service, about one subject, or at all.

    What runs already ends as it would. Everything else is held, with no attempt spent, until
    `antiphon resume`. Only handlers that tell people, of escalations and the like, still run.
    """
    from antiphon.guards.scope import Scope  # noqa: PLC0415  keep `--help` quick

    scope = Scope.of(service=service, subject=subject)
    done, handlers, holds = asyncio.run(_pause(settings_from(url, cell), scope, who(as_), reason))
    if json:
        print_json({**done.pause.to_dict(), "new": done.new, "handlers": list(handlers)})
    else:
        typer.echo(_paused(done, holds))


def resume(
    *,
    service: ServiceOption = None,
    subject: SubjectOption = None,
    storm: Annotated[
        bool, typer.Option("--storm", help="The recoveries that the storm brake parked.")
    ] = False,
    as_: AsOption = None,
    reason: ReasonOption = "",
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """End a pause, whoever or whatever began it; what it held runs within seconds.

    Without an option it ends the pause of everything, and no other.
    """
    from antiphon.guards.scope import Scope  # noqa: PLC0415  as above

    scope = Scope.of(service=service, subject=subject, storm=storm)
    ended, rest = asyncio.run(_resume(settings_from(url, cell), scope, who(as_), reason))
    if json:
        print_json(
            {
                "scope": scope.field,
                "ended": None if ended.pause is None else ended.pause.to_dict(),
                "freed": ended.freed,
                "forgotten": list(ended.forgotten),
                "still_paused": [pause.scope.field for pause in rest],
            }
        )
    else:
        typer.echo(_resumed(scope, ended, rest))


async def _pause(
    settings: Settings, scope: Scope, by: str, reason: str
) -> tuple[Paused, Sequence[str], str]:
    """Pause; return the handlers that concerns too, and in words what is held."""
    from antiphon.broker.errand import Errand  # noqa: PLC0415  as above
    from antiphon.broker.switch import Switch  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        switch = Switch(errand, by, reason)
        done, services = await switch.pause(scope), await switch.services()
        if scope.subject is not None:
            everyone = sorted(name for names in services.values() for name in names)
            return done, everyone, _about_subject(*await switch.recoveries_about(scope.subject))
    if scope.service is not None:
        return done, services.get(scope.service, []), _about_service(scope.service, services)
    everyone = sorted(name for names in services.values() for name in names)
    return done, everyone, f"It holds all handlers of the cell; {len(everyone)} registered."


async def _resume(
    settings: Settings, scope: Scope, by: str, reason: str
) -> tuple[Resumed, Sequence[Pause]]:
    """Resume; return what is still paused too."""
    from antiphon.broker.errand import Errand  # noqa: PLC0415  as above
    from antiphon.broker.switch import Switch  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        switch = Switch(errand, by, reason)
        return await switch.resume(scope), await switch.pauses()


def _about_service(service: str, services: Mapping[str, Sequence[str]]) -> str:
    """Say what is held; a name nobody has used yet is more likely a slip."""
    if handlers := services.get(service):
        return f"It holds {', '.join(handlers)}."
    known = ", ".join(services) or "none"
    return f"No handler of such a service is registered yet; there is: {known}."


def _about_subject(count: int, still_open: int) -> str:
    if not count:
        return "No recovery about it is on record; it holds those to come."
    verb = "is" if still_open == 1 else "are"
    return f"It holds what is about it; of {count} recoveries on record {still_open} {verb} open."


def _paused(done: Paused, holds: str) -> str:
    from antiphon.trace.words import plain, spell  # noqa: PLC0415  as above

    pause = done.pause
    first = f"Paused {pause.scope}."
    if not done.new:
        since = f" {spell(datetime.now(UTC) - pause.since)} ago" if pause.since else ""
        why = f": {pause.reason}" if pause.reason else ""
        first = f"{pause.by} paused {pause.scope}{since}, and it stays so{why}."
    end = f"antiphon resume {pause.scope.option}"
    return "\n".join(plain(line) for line in (first, holds, f"→ {end}"))


def _resumed(scope: Scope, ended: Resumed, rest: Sequence[Pause]) -> str:
    from antiphon.trace.words import plain  # noqa: PLC0415  as above

    freed = "1 delivery was" if ended.freed == 1 else f"{ended.freed} deliveries were"
    lines = [f"Resumed {scope}; {freed} held."]
    if ended.forgotten:
        lines.append(f"Relapses count anew: {', '.join(ended.forgotten)}.")
    if rest:
        lines.append(f"Still paused: {', '.join(str(pause.scope) for pause in rest)}.")
    return "\n".join(map(plain, lines))

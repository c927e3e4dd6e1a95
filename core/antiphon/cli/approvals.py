"""``antiphon approvals``, ``approve`` and ``deny``: steps that people must agree to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from antiphon.cli.options import CellOption, JsonOption, UrlOption, settings_from
from antiphon.cli.output import console, print_json, refusing, table
from antiphon.cli.who import AsOption, who

if TYPE_CHECKING:
    from antiphon.broker.approvals import Answer, Ask
    from antiphon.settings import Settings

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Which one, as `antiphon approvals` lists it.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever wonders.")
]


def approvals(*, json: JsonOption = False, url: UrlOption = None, cell: CellOption = None) -> None:
    """List the steps that wait for people to agree to them, the longest waiting first."""
    found = asyncio.run(_waiting(settings_from(url, cell)))
    if json:
        print_json([_described(ask) for ask in found])
    elif found:
        _draw(found)
    else:
        typer.echo("Nothing waits for an approval.")


def approve(
    approval_id: IdArgument,
    *,
    reason: ReasonOption,
    as_: AsOption = None,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Agree to a step that waits for it; it runs once enough have agreed.

    The answer holds for this step and the very event it reacts to, once. Ends with status 1 when
    it does not count: there is no such request, it is over, or it is not yours to answer.
    """
    _answer(settings_from(url, cell), approval_id, who(as_), reason, grant=True, json=json)


def deny(
    approval_id: IdArgument,
    *,
    reason: ReasonOption,
    as_: AsOption = None,
    json: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Refuse a step that waits to be agreed to; one who refuses is enough.

    The recovery goes on without it. Ends with status 1 when the answer does not count.
    """
    _answer(settings_from(url, cell), approval_id, who(as_), reason, grant=False, json=json)


def _answer(
    settings: Settings, approval_id: str, by: str, reason: str, *, grant: bool, json: bool
) -> None:
    from antiphon.telemetry.logging import configure  # noqa: PLC0415  keep `--help` quick

    # A person at a terminal reads the sentence; what collects the log gets its line.
    configure(settings.log_format, "error" if sys.stderr.isatty() else settings.log_level)
    with refusing():
        answer = asyncio.run(_answered(settings, approval_id, by, reason, grant=grant))
    if json:
        known = {"state": answer.state, "votes": answer.votes, "quorum": answer.quorum}
        print_json({"approval": approval_id, **known, "by": by, "about": _described(answer.ask)})
    else:
        typer.echo(answer.said(by))


async def _waiting(settings: Settings) -> Sequence[Ask]:
    from antiphon.broker.approvals import Approvals  # noqa: PLC0415  as above
    from antiphon.broker.errand import Errand  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await Approvals(errand).waiting()


async def _answered(
    settings: Settings, approval_id: str, by: str, reason: str, *, grant: bool
) -> Answer:
    from antiphon.broker.approvals import Approvals  # noqa: PLC0415  as above
    from antiphon.broker.errand import Errand  # noqa: PLC0415

    async with Errand.begin(settings) as errand:
        return await Approvals(errand).answer(approval_id, by=by, grant=grant, reason=reason)


def _draw(found: Sequence[Ask]) -> None:
    from rich.text import Text  # noqa: PLC0415  as above

    from antiphon.trace.words import plain  # noqa: PLC0415

    now = datetime.now(UTC)
    columns = ("id", "step", "subject", "recovery", "who may", "votes", "expires", "requester")
    listed = table(*columns, wrapped="who may")
    for ask in found:
        cells = (
            ask.id,
            ask.step,
            ask.subject,
            ask.correlation_id,
            ", ".join(ask.who) or "anybody",
            f"{len(ask.votes)}/{ask.quorum}",
            _expires(ask, now),
            ask.requester,
        )
        listed.add_row(*(Text(plain(cell)) for cell in cells))
    console().print(listed)


def _expires(ask: Ask, now: datetime) -> str:
    from antiphon.trace.words import spell  # noqa: PLC0415  as above

    if ask.expires is None:
        return "never"
    left = ask.expires - now
    return f"in {spell(left)}" if ask.expires >= now else f"{spell(-left)} ago"


def _described(ask: Ask) -> dict[str, Any]:
    """Describe a request for programs."""
    from antiphon.instants import iso  # noqa: PLC0415  as above

    return {
        "id": ask.id,
        "step": ask.step,
        "event_type": ask.event_type,
        "event_id": ask.event_id,
        "subject": ask.subject,
        "correlation_id": ask.correlation_id,
        "requester": ask.requester or None,
        "who": list(ask.who),
        "quorum": ask.quorum,
        "votes": list(ask.votes),
        "asked": iso(ask.asked),
        "expires": iso(ask.expires),
        "otherwise": ask.otherwise,
        "tier": ask.tier,
    }

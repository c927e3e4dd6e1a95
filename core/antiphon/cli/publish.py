"""`antiphon publish`: start a recovery, and wait for its verdict if asked."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from antiphon.cli.options import (
    CellOption,
    ImportOption,
    JsonOption,
    UrlOption,
    length,
    settings_from,
)
from antiphon.cli.who import AsOption, who
from antiphon.errors import ConfigurationError

if TYPE_CHECKING:
    from antiphon.ledger import Entry
    from antiphon.publisher import Receipt
    from antiphon.settings import Settings
    from antiphon_events import Event


def publish(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="The type: service.failed, …")],
    *,
    subject: Annotated[str, typer.Option("--subject", "-s", help="What the event is about.")],
    data: Annotated[
        str,
        typer.Option("--data", "-d", help="Its data as a JSON object, or - for standard input."),
    ] = "{}",
    correlation_id: Annotated[
        str | None, typer.Option(help="The recovery to join; a new one unless given.")
    ] = None,
    import_: ImportOption = None,
    as_: AsOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the recovery to its verdict.")
    ] = False,
    timeout: Annotated[
        timedelta,
        typer.Option(parser=length, metavar="DURATION", help="How long to wait for it."),
    ] = timedelta(minutes=10),
    json_: JsonOption = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Publish an event and print the correlation id of its recovery.

    Whoever publishes it asks for the recovery, and may not approve of its steps.
    With --wait the exit status is 0 for a completed recovery, and 1 for one that was not.
    """
    from antiphon.loading import load_module  # noqa: PLC0415  keep `--help` quick
    from antiphon.telemetry.logging import configure  # noqa: PLC0415

    settings = settings_from(url, cell)
    configure(level="error")
    for module in import_ or ():
        load_module(module)
    event = _event(type_, subject, sys.stdin.read() if data == "-" else data)
    patience = timeout if wait else None
    completed = asyncio.run(
        _publish(settings, event, correlation_id, patience, source=_source(as_), as_json=json_)
    )
    if not completed:
        raise typer.Exit(1)


def _source(given: str | None) -> str:
    """Name who asks for the recovery; the program itself where the user has no name."""
    try:
        return who(given)
    except ConfigurationError:
        if given is not None:
            raise
        return "antiphon publish"


def _event(type_: str, subject: str, data: str) -> Event:
    from antiphon_events import UndecodableData, event_class, parse_event  # noqa: PLC0415  as above

    try:
        return parse_event(event_class(type_), subject, data.encode())
    except LookupError as error:
        raise ConfigurationError(f"{error} (--import MODULE)") from error
    except (UndecodableData, ValueError) as error:
        raise ConfigurationError(str(error)) from error


async def _publish(
    settings: Settings,
    event: Event,
    correlation_id: str | None,
    patience: timedelta | None,
    *,
    source: str,
    as_json: bool,
) -> bool:
    from antiphon.advised import command  # noqa: PLC0415  as above
    from antiphon.publisher import Publisher  # noqa: PLC0415

    async with Publisher(settings, source=source) as publisher:
        receipt = await publisher.publish(event, correlation_id=correlation_id)
    if patience is None:
        _say(receipt, None, as_json=as_json)
        return True
    if not as_json:
        typer.echo(receipt.correlation_id)
    try:
        async with asyncio.timeout(patience.total_seconds()):
            verdict = await _verdict(settings, receipt, quiet=as_json)
    except TimeoutError:
        see = command("trace", receipt.correlation_id)
        raise ConfigurationError(f"no verdict yet; see: {see}") from None
    _say(receipt, verdict, as_json=as_json)
    return verdict == "completed"


async def _verdict(settings: Settings, receipt: Receipt, *, quiet: bool) -> str:
    from antiphon.broker.connection import opened  # noqa: PLC0415  as above
    from antiphon.broker.following import follow  # noqa: PLC0415
    from antiphon.keys import Keys  # noqa: PLC0415

    async with opened(settings) as client:
        rows = follow(client, Keys(settings.cell), receipt.correlation_id)
        seen = receipt.coalesced  # it joined a recovery that was open, and has no rows of its own
        async for row in rows:
            # A recovery that is joined may have closed before: only what follows our event counts.
            seen = seen or row.text("event") == receipt.event_id
            if not quiet and seen:
                typer.echo(_line(row))
            if seen and row.kind == "closed":
                return row.text("verdict")
    raise AssertionError("a ledger has no end")


def _line(row: Entry) -> str:
    who = row.text("group") or row.text("by")
    what = " ".join(row.text(name) for name in ("type", "subject") if row.text(name))
    detail = row.text("verdict") or row.text("error") or row.text("message")
    return "  ".join(
        part for part in (row.at.strftime("%H:%M:%S.%f")[:-3], row.kind, who, what, detail) if part
    )


def _say(receipt: Receipt, verdict: str | None, *, as_json: bool) -> None:
    if as_json:
        known = {
            "correlation_id": receipt.correlation_id,
            "event_id": receipt.event_id,
            "entry_id": receipt.entry_id,
            "coalesced": receipt.coalesced,
        }
        typer.echo(json.dumps(known if verdict is None else {**known, "verdict": verdict}))
    elif verdict is None:
        typer.echo(receipt.correlation_id)
    else:
        typer.echo(verdict)

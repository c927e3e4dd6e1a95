"""``antiphon watch``: recoveries live, in the terminal or as lines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer

from antiphon.cli.options import CellOption, UrlOption, settings_from
from antiphon.cli.sources import check
from antiphon.cli.trace import NOT_COMPLETED

if TYPE_CHECKING:
    from antiphon.broker.watching import Watch, Watched
    from antiphon.ledger import Entry
    from antiphon.settings import Settings

T = TypeVar("T")

_TICK = timedelta(milliseconds=500)
_MOST = 50
"""Open recoveries that are followed at once."""


def watch(
    correlation_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Its correlation id; all open ones unless given."),
    ] = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Write a JSON object for each change, for programs.")
    ] = False,
    url: UrlOption = None,
    cell: CellOption = None,
) -> None:
    """Follow a recovery until it closes: what runs, how far it is, what it waits for.

    Without an id, follow all open recoveries of the cell until Ctrl-C. What is no terminal gets a
    line for each change. Ends as `antiphon trace` would when the recovery has closed.
    """
    settings = settings_from(url, cell)
    verdict: str | None = None
    with contextlib.suppress(KeyboardInterrupt):
        verdict = asyncio.run(_interruptible(_watch(settings, correlation_id, json=json)))
    if verdict in NOT_COMPLETED:
        raise typer.Exit(1)


async def _interruptible(work: Coroutine[None, None, T]) -> T:
    """Run something so that Ctrl-C ends it, even where a cancellation is lost.

    `asyncio.wait_for`, which redis-py sends with, loses one that comes as it returns (Python 3.11).
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
        return task.result()
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_TICK.total_seconds())


async def _watch(settings: Settings, correlation_id: str | None, *, json: bool) -> str | None:
    from antiphon.broker.connection import opened  # noqa: PLC0415  keep `--help` quick
    from antiphon.broker.watching import Watch  # noqa: PLC0415
    from antiphon.cli.showing import showing  # noqa: PLC0415
    from antiphon.keys import Keys  # noqa: PLC0415

    async with opened(settings) as client:
        follow = Watch(client, Keys(settings.cell))
        with showing(json=json, one=correlation_id is not None) as show:
            async for rows in _ticks(follow, correlation_id, show):
                watched = list(follow.watched.values())
                if correlation_id is not None:
                    check(settings, correlation_id, watched[0].summary)
                show.changed(rows, watched, follow.now, follow.there_are)
                if correlation_id is not None and watched[0].over:
                    return watched[0].summary.verdict if watched[0].summary else None
    raise AssertionError("a watch of all recoveries has no end")


class Show(Protocol):
    """Where changes go."""

    def changed(
        self,
        rows: Sequence[tuple[Watched, Entry]],
        watched: Sequence[Watched],
        now: datetime,
        there_are: int,
        /,
    ) -> None:
        """Show what is new, or, with no rows, that time has passed; more may be open."""

    def say(self, notice: str) -> None:
        """Show something about the watching itself; empty when that is over."""


async def _ticks(
    follow: Watch, correlation_id: str | None, show: Show
) -> AsyncIterator[Sequence[tuple[Watched, Entry]]]:
    """Yield what is new, at once and then twice a second; ends only with its reader.

    A server that is away is waited for, once it has been there.
    """
    from antiphon.broker.faults import pause_s  # noqa: PLC0415  as above
    from antiphon.errors import StreamUnavailable  # noqa: PLC0415

    failures, seen = 0, False
    while True:
        try:
            names = [correlation_id] if correlation_id else await follow.open(_MOST)
            rows = await follow.look(names)
        except StreamUnavailable as error:
            if not seen:
                raise
            failures += 1
            show.say(f"the server is away, trying again: {error}")
            await asyncio.sleep(pause_s(failures))
            continue
        if failures:
            failures = 0
            show.say("")
        seen = True
        yield rows
        with contextlib.suppress(StreamUnavailable):
            while follow.watched and not await follow.wait(_TICK):
                if not correlation_id:
                    break
                yield ()
        if not follow.watched:
            await asyncio.sleep(_TICK.total_seconds())

"""How ``antiphon watch`` shows changes: a live picture, lines of text, or lines of JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import orjson
import typer
from rich.console import Console, RenderableType
from rich.live import Live

from antiphon.broker.watching import Watched
from antiphon.cli.watch import Show
from antiphon.instants import iso
from antiphon.ledger import Entry
from antiphon.trace.live import AllView, OneView
from antiphon.trace.words import plain

_SHARE = 10
"""Drawing takes at most one part in so many of the time, however large the recovery is."""

Rows = Sequence[tuple[Watched, Entry]]


@contextmanager
def showing(*, json: bool, one: bool) -> Iterator[Show]:
    """Choose how to show changes, and leave the terminal as it was."""
    console = Console(highlight=False)
    if json:
        yield JsonLines()
    elif not console.is_terminal:
        yield Lines(one=one)
    else:
        with Live(console=console, auto_refresh=False, transient=not one) as live:
            yield Picture(live, one=one)


class Beyond:
    """Says on standard error that some are open that are not followed, whenever that begins."""

    def __init__(self) -> None:
        self._said = False

    def say(self, followed: int, there_are: int) -> None:
        """Compare what is followed with what there is."""
        more = there_are > followed
        if more and not self._said:
            typer.echo(
                f"antiphon: {there_are} recoveries are open; the {followed} longest open are "
                "followed, name another one to follow it",
                err=True,
            )
        self._said = more


class JsonLines:
    """A JSON object for each row of a ledger, and one when the server went away."""

    def __init__(self) -> None:
        self._beyond = Beyond()

    def changed(
        self, rows: Rows, watched: Sequence[Watched], _now: datetime, there_are: int, /
    ) -> None:
        """Write the rows as they stand in the ledger, with the id of their recovery."""
        self._beyond.say(len(watched), there_are)
        for one, row in rows:
            self._write(
                {
                    "correlation_id": one.correlation_id,
                    "at": iso(row.at),
                    "kind": row.kind,
                    **row.fields,
                }
            )

    def say(self, notice: str) -> None:
        """Write it as an object of its own kind."""
        self._write({"kind": "watch.interrupted" if notice else "watch.resumed", "why": notice})

    @staticmethod
    def _write(document: dict[str, object]) -> None:
        typer.echo(orjson.dumps(document).decode())


class Lines:
    """A line for each row of a ledger."""

    def __init__(self, *, one: bool) -> None:
        self.one = one
        self._beyond = Beyond()

    def changed(
        self, rows: Rows, watched: Sequence[Watched], _now: datetime, there_are: int, /
    ) -> None:
        """Write them in the order they happened; of several recoveries, each with its id."""
        self._beyond.say(len(watched), there_are)
        for one, row in rows:
            prefix = "" if self.one else f"{plain(one.correlation_id)}  "
            typer.echo(f"{prefix}{line(row)}")

    def say(self, notice: str) -> None:
        """Write it to standard error, where it is in nobody's way."""
        typer.echo(plain(f"antiphon: {notice or 'the server is back'}"), err=True)


class Picture:
    """A live picture."""

    def __init__(self, live: Live, *, one: bool) -> None:
        self.live = live
        self.one = one
        self._next = 0.0
        self._notice = ""
        self._view: RenderableType = ""

    def changed(
        self, _rows: Rows, watched: Sequence[Watched], now: datetime, there_are: int, /
    ) -> None:
        """Draw anew, unless drawing has become so slow that it would do nothing else."""
        over = any(one.over for one in watched)
        began = time.monotonic()
        if began < self._next and not over:
            return
        traces = sorted((one.trace(now) for one in watched if one.summary), key=lambda t: t.opened)
        if self.one:
            self._view = OneView(traces[0], self._notice)
        else:
            self._view = AllView(traces, self._notice, there_are=there_are)
        self.live.update(self._view, refresh=True)
        self._next = time.monotonic() + (time.monotonic() - began) * _SHARE

    def say(self, notice: str) -> None:
        """Show it below the picture as it was last."""
        self._notice = notice
        if isinstance(self._view, OneView | AllView):
            self._view.notice = notice
            self.live.refresh()


def line(row: Entry) -> str:
    """Write a row of a ledger as a line: when, what, who, about what, and how."""
    who = row.text("group") or row.text("by")
    what = " ".join(row.text(name) for name in ("type", "subject") if row.text(name))
    fraction = row.number("fraction")
    detail = [
        "" if fraction is None else f"{fraction:.0%}",
        *(row.text(name) for name in ("verdict", "error", "message", "guard", "why", "reason")),
    ]
    parts = (f"{row.at:%H:%M:%S.%f}"[:-3], row.kind, who, what, " ".join(filter(None, detail)))
    return "  ".join(filter(None, map(plain, parts)))

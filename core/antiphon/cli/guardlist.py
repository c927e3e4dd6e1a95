"""What the guards of a cell know, as tables for people."""

from __future__ import annotations

from datetime import datetime

from rich.table import Table
from rich.text import Text

from antiphon.cli.output import console, table
from antiphon.guards.listing import guard_rows
from antiphon.guards.state import GuardState
from antiphon.trace.words import plain, spell


def draw(state: GuardState) -> None:
    """Print a table each for pauses, guards and escalations, where there are any."""
    parts = [part for part in (_pauses(state), _guards(state), _escalations(state)) if part.rows]
    screen = console()
    for number, part in enumerate(parts):
        if number:
            screen.print()
        screen.print(part)
    if (more := state.unacknowledged - len(state.escalations)) > 0:
        screen.print(Text(f"{more} more wait to be acknowledged."))


def _pauses(state: GuardState) -> Table:
    rows = table("paused", "by", "since", "held", "why", wrapped="why")
    for pause in state.pauses:
        rows.add_row(
            Text(plain(str(pause.scope))),
            Text(plain(pause.by)),
            _ago(pause.since, state.taken),
            str(state.held_in(pause.scope)),
            Text(plain(pause.reason)),
        )
    return rows


def _guards(state: GuardState) -> Table:
    rows = table("guard", "name", "state", "held", wrapped="state")
    for row in guard_rows(state):
        held = str(row.held) if row.held else ""
        rows.add_row(row.kind, Text(plain(row.name)), Text(plain(row.words)), held)
    return rows


def _escalations(state: GuardState) -> Table:
    rows = table("escalated", "subject", "since", "tier", "next tier", "why", wrapped="why")
    for one in state.escalations:
        rows.add_row(
            Text(plain(one.correlation_id)),
            Text(plain(one.subject)),
            _ago(one.since, state.taken),
            str(one.tier),
            "" if one.next is None else f"in {spell(one.next - state.taken)}",
            Text(plain(one.reason)),
        )
    return rows


def _ago(moment: datetime | None, now: datetime) -> str:
    return "" if moment is None else f"{spell(now - moment)} ago"

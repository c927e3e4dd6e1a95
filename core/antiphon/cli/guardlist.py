"""What the guards of a cell know, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.table import Table
from rich.text import Text

from antiphon.cli.output import console, table
from antiphon.duration import format_duration
from antiphon.guards.state import BreakerState, GuardState, Resource, Window, holds
from antiphon.trace.words import plain, spell

_Row = tuple[str, str, str, int]
"""Kind, name, state and how many deliveries are held."""


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
    for kind, name, words, held in _rows(state):
        rows.add_row(kind, Text(plain(name)), Text(plain(words)), str(held) if held else "")
    return rows


def _rows(state: GuardState) -> Iterator[_Row]:
    shown = set[tuple[str, str]]()
    for breaker in state.breakers:
        yield _row(state, shown, "breaker", breaker.name, _breaker(breaker, state.taken))
    for window in state.windows:
        yield _row(state, shown, window.kind, window.name, _window(window, state.taken))
    for resource in state.resources:
        yield _row(state, shown, "exclusive", resource.name, _resource(resource, state.taken))
    for held in state.held:
        by_pause = any(holds(pause.scope, held.guard, held.name) for pause in state.pauses)
        if not by_pause and (held.guard, held.name) not in shown:
            # It lets go when it is looked at next.
            yield held.guard, held.name, f"since {_ago(held.since, state.taken)}", held.count


def _row(state: GuardState, shown: set[tuple[str, str]], kind: str, name: str, words: str) -> _Row:
    """Name how much a guard holds on the first of its rows."""
    held = 0 if (kind, name) in shown else state.holds(kind, name)
    shown.add((kind, name))
    return kind, name, words, held


def _breaker(breaker: BreakerState, now: datetime) -> str:
    if breaker.state == "closed":
        return f"closed, {breaker.failures} of {breaker.fail_max} failures"
    if breaker.state == "half-open":
        return f"half-open, {breaker.probe or 'nobody'} probes"
    probe = f"probes in {spell(breaker.until - now)}" if breaker.until else "probes"
    if breaker.until and breaker.until <= now:
        probe = "the next delivery probes"
    return f"{breaker.state} for {_since(breaker.opened, now)}, {probe}"


def _window(window: Window, now: datetime) -> str:
    parts = [f"{window.used} of {window.limit} within {format_duration(window.window)}"]
    if window.opens is not None:
        parts.append(f"room in {spell(window.opens - now)}")
    if window.waiting:
        parts.append(f"{window.waiting} waiting")
    return ", ".join(parts)


def _resource(resource: Resource, now: datetime) -> str:
    state = "free"
    if resource.holder:
        until = f" for {spell(resource.until - now)}" if resource.until else ""
        state = f"leased to {resource.holder}{until}"
    return f"{state}, {resource.waiting} waiting" if resource.waiting else state


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


def _since(moment: datetime | None, now: datetime) -> str:
    return "some time" if moment is None else spell(now - moment)

"""What each guard of a cell knows, in a line for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from antiphon.duration import format_duration
from antiphon.guards.state import BreakerState, GuardState, Resource, Window, holds
from antiphon.trace.words import spell


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One guard that has something to show."""

    kind: str
    name: str
    words: str
    """How it stands."""

    held: int
    """Deliveries it holds; they are named on the first of its rows."""

    known: bool = True
    """Whether it has a state of its own, which can be reset."""


def guard_rows(state: GuardState) -> Iterator[GuardRow]:
    """Say how every guard stands that holds or counts anything; pauses aside."""
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
            since = f"{spell(state.taken - held.since)} ago" if held.since else ""
            yield GuardRow(held.guard, held.name, f"since {since}", held.count, known=False)


def _row(
    state: GuardState, shown: set[tuple[str, str]], kind: str, name: str, words: str
) -> GuardRow:
    """Name how much a guard holds on the first of its rows."""
    held = 0 if (kind, name) in shown else state.holds(kind, name)
    shown.add((kind, name))
    return GuardRow(kind, name, words, held)


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


def _since(moment: datetime | None, now: datetime) -> str:
    return "some time" if moment is None else spell(now - moment)

"""Does a guard hold something up, and do people know?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from antiphon.advised import command
from antiphon.doctor.facts import Facts
from antiphon.doctor.finding import Finding, Grade
from antiphon.duration import format_duration
from antiphon.guards.state import BreakerState, Escalation, GuardState, Pause, Window
from antiphon.trace.words import plain, spell

_MOST_NAMED = 5
"""Escalations that are named one by one."""


def examine(facts: Facts) -> Iterator[Finding]:
    """Look at pauses, at guards that have tripped, and at escalations nobody acknowledged."""
    state = facts.guards
    found = [
        *(_paused(pause, state) for pause in state.pauses),
        *(_open(one, state) for one in state.breakers if one.state != "closed"),
        *(_spent(one, state) for one in state.windows if one.kind == "budget" and one.full),
        *(_escalated(one, state.taken) for one in state.escalations[:_MOST_NAMED]),
        *_more(state.unacknowledged - len(state.escalations[:_MOST_NAMED])),
    ]
    yield from found or [Finding(Grade.OK, "guards", "nothing is paused, and none has tripped")]


def _paused(pause: Pause, state: GuardState) -> Finding:
    since = f" for {spell(state.taken - pause.since)}" if pause.since else ""
    why = f": {pause.reason}" if pause.reason else ""
    return Finding(
        # A person knows of it; what a guard paused waits for one.
        Grade.PROBLEM if pause.by_guard else Grade.WARNING,
        "pause",
        f"{plain(str(pause.scope))}{since}, by {plain(pause.by)}{plain(why)}; "
        f"{_counted(state.held_in(pause.scope))} held",
        plain(f"antiphon resume {pause.scope.option}"),
    )


def _open(breaker: BreakerState, state: GuardState) -> Finding:
    if breaker.state == "half-open":
        probe = "one delivery probes"
    elif breaker.until is None or breaker.until <= state.taken:
        probe = "the next delivery probes"
    else:
        probe = f"the next probe may start in {spell(breaker.until - state.taken)}"
    return Finding(
        Grade.WARNING,
        "breaker",
        f"{plain(breaker.name)} is {breaker.state}; {probe}; "
        f"{_counted(state.holds('breaker', breaker.name))} held",
        "look at what it protects; it closes by itself when a probe succeeds",
    )


def _spent(budget: Window, state: GuardState) -> Finding:
    room = f"; there is room in {spell(budget.opens - state.taken)}" if budget.opens else ""
    return Finding(
        Grade.WARNING,
        "budget",
        f"{plain(budget.name)}: {budget.used} of {budget.limit} attempts within "
        f"{format_duration(budget.window)} are used{room}",
        "what was tried so often does not help: look at the subject; "
        + plain(command("guards reset budget", budget.name, "--reason TEXT")),
    )


def _escalated(one: Escalation, now: datetime) -> Finding:
    details = [f"tier {one.tier}"]
    details += [f"told {spell(now - one.since)} ago"] if one.since else []
    details += [f"the next in {spell(one.next - now)}"] if one.next else []
    show, answer = command("trace", one.correlation_id), command("ack", one.correlation_id)
    return Finding(
        Grade.PROBLEM,
        "escalation",
        plain(
            f"{one.correlation_id} about {one.subject or '?'} needs a person: "
            f"{one.reason or 'no reason is on record'} ({', '.join(details)})"
        ),
        plain(f"{show}; then {answer}"),
    )


def _more(count: int) -> Iterator[Finding]:
    if count > 0:
        yield Finding(
            Grade.PROBLEM,
            "escalations",
            f"{count} more that nobody has acknowledged",
            "antiphon guards",
        )


def _counted(count: int) -> str:
    return "1 delivery is" if count == 1 else f"{count} deliveries are"

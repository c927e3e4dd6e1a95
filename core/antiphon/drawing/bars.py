"""The bars of a recovery: what happened from when to when, step by step, before it is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from antiphon.trace.decisions import Hold
from antiphon.trace.flow import Child, Scheduled
from antiphon.trace.model import Trace
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, TracedEvent
from antiphon.trace.slack import Idle
from antiphon.trace.tree import Node
from antiphon.trace.words import clock, spell

T = TypeVar("T")
Look = Literal[
    "working",
    "running",
    "vain",
    "dead",
    "undone",
    "waiting",
    "held",
    "needless",
    "child",
    "settled",
]

_LOOKS: dict[AttemptOutcome, Look] = {
    AttemptOutcome.COMPLETED: "working",
    AttemptOutcome.RUNNING: "running",
    AttemptOutcome.DIED: "dead",
}

MOST_BARS = 40
"""Of one step, of attempts and of holds each: the first and the last half of more."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted, or was settled in an instant."""

    look: Look
    since: datetime
    until: datetime
    title: str
    open: bool = False
    """Whether it goes on."""


def bars(node: Node, trace: Trace, ready: datetime | None = None) -> tuple[Bar, ...]:
    """Say what bars a part of the recovery has, the earliest first; waits lie between them.

    Args:
        node: The part; an event has a bar only while it was put off.
        trace: The recovery.
        ready: When the event that a step answers entered its stream.
    """
    match node:
        case Step():
            return tuple(_step(node, trace, ready or node.start))
        case TracedEvent():
            return tuple(_put_off(node, trace))
        case Scheduled():
            ended = trace.over(node.at) or trace.as_of
            return (_wait(node.at, ended, f"put off{_until(node.due, trace)}", going_on=True),)
        case Child():
            ended = node.closed or trace.as_of
            words = f"its child {node.id}: {node.verdict or 'open'}"
            return (Bar("child", node.at, max(ended, node.at), words, node.closed is None),)


def needless(it: Idle) -> Bar:
    """Say what bar a wait has that nothing required; it lies over the others of its step."""
    words = f"{it.step.group} waited {spell(it.length)} without needing to: {it.why}"
    return Bar("needless", it.since, it.until, words)


def left_out(step: Step) -> int:
    """Count the attempts and holds of a step that have no bar."""
    return sum(max(len(turns) - MOST_BARS, 0) for turns in (step.attempts, step.holds))


def _step(step: Step, trace: Trace, ready: datetime) -> Iterator[Bar]:
    as_of = trace.as_of
    turns: list[Bar] = [
        *(_attempt(it, step, as_of) for it in _ends(step.attempts)),
        *(_hold(it, as_of) for it in _ends(step.holds)),
    ]
    turns.sort(key=lambda bar: bar.since)
    settled = not turns or step.suppression is not None
    if settled and step.outcome.is_final:
        at = step.suppression.at if step.suppression else step.end or step.start
        turns.append(Bar("settled", at, at, _settled(step)))
    at = ready
    for bar in turns:
        if bar.since > at:
            yield _wait(at, bar.since, f"{step.group} waited {spell(bar.since - at)}")
        yield bar
        at = max(at, bar.until)
    if not step.outcome.is_final and not any(bar.open for bar in turns):
        words = f"{step.group} waits{_until(step.due, trace)} ({step.outcome})"
        yield _wait(at, max(as_of, at), words, going_on=True)


def _ends(turns: Sequence[T]) -> Sequence[T]:
    half = MOST_BARS // 2
    return turns if len(turns) <= MOST_BARS else [*turns[:half], *turns[-half:]]


def _attempt(it: Attempt, step: Step, as_of: datetime) -> Bar:
    words = (
        f"{step.group}, attempt {it.no} on {it.consumer}: {it.outcome}, {spell(it.lasted(as_of))}"
    )
    silent = f"taken over from {it.taken_over_from}" if it.taken_over_from else ""
    said = "\n".join(filter(None, (words, silent, it.error or "")))
    look = _LOOKS.get(it.outcome, "vain")
    if step.undo_of and look == "working":
        look = "undone"
    return Bar(look, it.start, max(it.end or as_of, it.start), said, it.end is None)


def _hold(it: Hold, as_of: datetime) -> Bar:
    words = f"held by {it.guard}, {spell(it.lasted(as_of))}"
    return Bar("held", it.since, max(it.until or as_of, it.since), words, it.until is None)


def _settled(step: Step) -> str:
    by = f" by {step.suppression.guard}" if step.suppression else ""
    return f"{step.group}: {step.outcome}{by}"


def _put_off(event: TracedEvent, trace: Trace) -> Iterator[Bar]:
    for it in trace.scheduled:
        if it.id == event.id and event.time > it.at:
            yield _wait(it.at, event.time, f"put off for {spell(event.time - it.at)}")


def _wait(since: datetime, until: datetime, words: str, *, going_on: bool = False) -> Bar:
    return Bar("waiting", since, max(since, until), words, going_on)


def _until(due: datetime | None, trace: Trace) -> str:
    return f" until {clock(due, trace.as_of)} UTC" if due else ""

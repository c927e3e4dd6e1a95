"""The rows of a picture: what each line says, before it is fitted to a width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from antiphon.trace.axis import Axis
from antiphon.trace.model import Trace
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, StepOutcome, TracedEvent
from antiphon.trace.tree import Branch
from antiphon.trace.words import percent, plain, spell

_ATTEMPT_WORDS = {
    AttemptOutcome.RUNNING: "running",
    AttemptOutcome.COMPLETED: "done",
    AttemptOutcome.RETRIED: "retry",
    AttemptOutcome.RELEASED: "released",
    AttemptOutcome.DIED: "dead",
    AttemptOutcome.TAKEN_OVER: "taken over",
    AttemptOutcome.UNKNOWN: "unknown",
}

CRITICAL = "*"
"""Marks the steps of the critical path."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `cells` may be empty: then the label has their room as well."""

    guide: str
    label: str
    cells: tuple[str, str, str, str] | None = None
    """Outcome, attempt, worker, duration."""

    bar: str = ""
    style: str = ""


def workers(trace: Trace) -> Mapping[str, str]:
    """Give every consumer a short name, in the order they appear."""
    names = dict.fromkeys(a.consumer for step in trace.steps for a in step.attempts)
    return {name: f"w{number}" for number, name in enumerate(names, 1)}


def rows(trace: Trace, tree: Iterable[Branch], axis: Axis) -> Iterator[Row]:
    """Say every line of the tree, from top to bottom."""
    by_id = {event.id: event for event in trace.events}
    critical = {step.id for step in trace.critical_path.steps}
    short = workers(trace)
    for branch in tree:
        node = branch.node
        if isinstance(node, TracedEvent):
            label = plain(f"{node.type} {node.subject}")
            yield Row(branch.guide, label, bar=axis.event(node), style="bold")
            continue
        label = plain(node.group) + (f" {CRITICAL}" if node.id in critical else "")
        ready = node.start if node.replay_of else by_id[node.event_id].time
        if not node.attempts:
            waits = None if node.outcome.is_final else trace.as_of
            bar = axis.idle(node, ready=ready, waits_until=waits)
            yield Row(branch.guide, label, (node.outcome.value, "", "", ""), bar)
        for position, attempt in enumerate(node.attempts):
            is_last = position == len(node.attempts) - 1
            waits = trace.as_of if is_last and not node.outcome.is_final else None
            yield Row(
                branch.below if position else branch.guide,
                "" if position else label,
                (
                    _ATTEMPT_WORDS[attempt.outcome],
                    f"{attempt.no}",
                    short[attempt.consumer],
                    spell(attempt.lasted(trace.as_of)),
                ),
                axis.attempt(attempt, ready=ready, waits_until=waits),
                _style(attempt),
            )
            ready = attempt.end or ready
            for note in _attempt_notes(attempt, short):
                yield Row(branch.below, plain(note), style="dim")
        for note in _step_notes(node):
            yield Row(branch.below, plain(note), style="dim")


def _attempt_notes(attempt: Attempt, short: Mapping[str, str]) -> Iterator[str]:
    if attempt.taken_over_from:
        silent = short.get(attempt.taken_over_from, attempt.taken_over_from)
        yield f"- taken over from {silent}, which fell silent"
    if attempt.error:
        yield f"! {attempt.error}"


def _step_notes(step: Step) -> Iterator[str]:
    if step.replay_of:
        yield f"- delivered again, from dead letter {step.replay_of}"
    if step.outcome == StepOutcome.DUPLICATE:
        yield f"- {step.of or 'another delivery'} had done it"
    if step.outcome == StepOutcome.WAITING:
        yield f"- {step.of or 'another delivery'} holds its idempotency key"
    if step.note:
        yield f"- {step.note}"
    if step.progress and step.outcome == StepOutcome.RUNNING:
        yield f"- {percent(step.progress.fraction)} {step.progress.message}".rstrip()


def _style(attempt: Attempt) -> str:
    match attempt.outcome:
        case AttemptOutcome.COMPLETED:
            return "green"
        case AttemptOutcome.DIED:
            return "red"
        case AttemptOutcome.RUNNING:
            return "cyan"
        case _:
            return "yellow"

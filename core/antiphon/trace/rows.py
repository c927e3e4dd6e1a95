"""The rows of a picture: what each line says, before it is fitted to a width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from antiphon.trace import waiting
from antiphon.trace.axis import Axis
from antiphon.trace.decisions import Hold
from antiphon.trace.headlines import without_path
from antiphon.trace.model import Trace
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, StepOutcome, TracedEvent
from antiphon.trace.tree import Branch
from antiphon.trace.words import clock, percent, plain, spell

_ATTEMPT_WORDS = {
    AttemptOutcome.RUNNING: "running",
    AttemptOutcome.COMPLETED: "done",
    AttemptOutcome.RETRIED: "retry",
    AttemptOutcome.RELEASED: "released",
    AttemptOutcome.DIED: "dead",
    AttemptOutcome.TAKEN_OVER: "taken over",
    AttemptOutcome.HELD: "held",
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
        for position, turn in enumerate(turns := _turns(node)):
            is_last = position == len(turns) - 1
            waits = trace.as_of if is_last and not node.outcome.is_final else None
            guide = branch.below if position else branch.guide
            name = "" if position else label
            match turn:
                case Attempt():
                    cells = (
                        _ATTEMPT_WORDS[turn.outcome],
                        f"{turn.no}",
                        short[turn.consumer],
                        spell(turn.lasted(trace.as_of)),
                    )
                    bar = axis.attempt(turn, ready=ready, waits_until=waits)
                    yield Row(guide, name, cells, bar, _style(turn))
                    ready, notes = turn.end or ready, list(_attempt_notes(turn, short))
                case Hold():
                    cells = (StepOutcome.HELD.value, "", "", spell(turn.lasted(trace.as_of)))
                    ended = turn.until or trace.as_of
                    bar = axis.idle(node, ready=ready, waits_until=ended)
                    yield Row(guide, name, cells, bar, "yellow")
                    ready, notes = ended, [f"- {_held(turn, trace)}"]
                case _:
                    bar = axis.idle(node, ready=ready, waits_until=waits)
                    yield Row(guide, name, (node.outcome.value, "", "", ""), bar)
                    notes = []
            for note in notes:
                yield Row(branch.below, plain(note), style="dim")
        for note in _step_notes(node, trace):
            yield Row(branch.below, plain(note), style="dim")


def _turns(step: Step) -> Sequence[Attempt | Hold | StepOutcome]:
    """Put attempts and holds in one order, and the outcome behind when neither tells it."""
    turns: list[Attempt | Hold | StepOutcome] = []
    held = list(step.holds)
    for attempt in step.attempts:
        # A hold that begins with the end of an attempt is what that attempt met.
        while held and held[0].since <= attempt.start and held[0].since != attempt.end:
            turns.append(held.pop(0))
        turns.append(attempt)
    turns.extend(held)
    alone = not step.attempts and step.outcome != StepOutcome.HELD
    return [*turns, step.outcome] if alone or step.suppression else turns


def _held(hold: Hold, trace: Trace) -> str:
    return f"by {hold.guard}" if hold.until else waiting.hold(hold, trace.as_of)


def _attempt_notes(attempt: Attempt, short: Mapping[str, str]) -> Iterator[str]:
    if attempt.taken_over_from:
        silent = short.get(attempt.taken_over_from, attempt.taken_over_from)
        yield f"- taken over from {silent}, which fell silent"
    if attempt.error:
        yield f"! {attempt.error}"


def _step_notes(step: Step, trace: Trace) -> Iterator[str]:
    if step.replay_of:
        yield f"- delivered again, from dead letter {step.replay_of}"
    if step.outcome == StepOutcome.DUPLICATE:
        yield f"- {step.of or 'another delivery'} had done it"
    if step.outcome == StepOutcome.WAITING:
        yield f"- {step.of or 'another delivery'} holds its idempotency key"
    if it := step.suppression:
        opens = f", free again at {clock(it.opens, trace.as_of)}" if it.opens else ""
        yield f"- by {it.guard}{opens}"
    if step.note:
        yield f"- {without_path(step.note, trace)}"
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

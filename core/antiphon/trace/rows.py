"""The rows of a picture: what each line says, before it is fitted to a width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from antiphon.trace.axis import Axis
from antiphon.trace.decisions import Hold
from antiphon.trace.flow import Child, Scheduled
from antiphon.trace.model import Trace
from antiphon.trace.notes import Notes
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, StepOutcome, TracedEvent
from antiphon.trace.pending import LATER
from antiphon.trace.tree import Branch, Node
from antiphon.trace.words import plain, spell

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

_PUT_OFF = "put off"
"""Stands where the outcome of a step would, before an event that is yet to come."""

_DROPPED = "dropped"
"""Stands there when it will not come any more."""

_OPEN = "open"
"""Stands there before a child that is not over."""

CRITICAL = "*"
"""Marks the steps of the critical path."""


class Row(NamedTuple):
    """One line. `cells` may be empty: then the label has their room as well."""

    guide: str
    label: str
    cells: tuple[str, str, str, str] | None = None
    """Outcome, attempt, worker, duration."""

    bar: str = ""
    style: str = ""


def name(node: Node) -> str:
    """Name a part of the recovery."""
    match node:
        case Step():
            return plain(f"undo {node.group}" if node.undo_of else node.group)
        case Child():
            return plain(f"child {node.type} {node.subject}".rstrip())
        case _:
            return plain(f"{node.type} {node.subject}")


def workers(trace: Trace) -> Mapping[str, str]:
    """Give every consumer a short name, in the order they appear."""
    names = dict.fromkeys(a.consumer for step in trace.steps for a in step.attempts)
    return {name: f"w{number}" for number, name in enumerate(names, 1)}


def rows(trace: Trace, tree: Iterable[Branch], axis: Axis) -> Iterator[Row]:
    """Say every line of the tree, from top to bottom."""
    return _Rows(trace, axis).all(tree)


class _Rows:
    """Says the lines of one trace."""

    def __init__(self, trace: Trace, axis: Axis) -> None:
        self.trace = trace
        self.axis = axis
        self.events = {event.id: event for event in trace.events}
        self.critical = {step.id for step in trace.critical_path.steps}
        self.owed = {one.id for one in trace.outstanding}
        self.workers = workers(trace)
        self.notes = Notes(trace, self.workers)

    def all(self, tree: Iterable[Branch]) -> Iterator[Row]:
        for branch in tree:
            match branch.node:
                case TracedEvent() as event:
                    put_off = self.notes.scheduled.get(event.id)
                    bar = self.axis.event(event, put_off.at if put_off else None)
                    yield Row(branch.guide, name(event), bar=bar, style="bold")
                    yield from self._below(branch, self.notes.event(event))
                case Step() as step:
                    yield from self._step(branch, step)
                case Scheduled() as later:
                    ended = self._dropped(later) or self.trace.as_of
                    word = _DROPPED if self._dropped(later) else _PUT_OFF
                    cells = (word, "", "", spell(ended - later.at))
                    yield Row(branch.guide, name(later), cells, self.axis.wait(later.at, ended))
                    yield from self._below(branch, self.notes.later(later))
                case Child() as child:
                    ended = child.closed or self.trace.as_of
                    cells = (child.verdict or _OPEN, "", "", spell(ended - child.at))
                    yield Row(branch.guide, name(child), cells, self.axis.wait(child.at, ended))
                    yield from self._below(branch, self.notes.child(child))

    def _dropped(self, later: Scheduled) -> datetime | None:
        """Return when an event that was put off was given up; None while it is to come."""
        trace = self.trace
        if later.dropped:
            return later.dropped
        if trace.cancellation and f"{LATER}|{later.id}|{later.type}" not in self.owed:
            return max(trace.cancellation.at, later.at)
        return trace.over(later.at)

    def _step(self, branch: Branch, step: Step) -> Iterator[Row]:
        """Say a line for each turn that the delivery took, and then what became of it."""
        as_of = self.trace.as_of
        event = None if step.replay_of else self.events.get(step.event_id)
        ready = event.time if event else step.start
        label = name(step) + (f" {CRITICAL}" if step.id in self.critical else "")
        for position, turn in enumerate(turns := _turns(step)):
            is_last = position == len(turns) - 1
            waits = as_of if is_last and not step.outcome.is_final else None
            guide = branch.below if position else branch.guide
            said = "" if position else label
            match turn:
                case Attempt():
                    cells = (
                        _ATTEMPT_WORDS[turn.outcome],
                        f"{turn.no}",
                        self.workers[turn.consumer],
                        spell(turn.lasted(as_of)),
                    )
                    bar = self.axis.attempt(turn, ready=ready, waits_until=waits)
                    yield Row(guide, said, cells, bar, _style(turn))
                    ready = turn.end or ready
                    yield from self._below(branch, self.notes.attempt(turn))
                case Hold():
                    cells = (StepOutcome.HELD.value, "", "", spell(turn.lasted(as_of)))
                    ended = turn.until or as_of
                    bar = self.axis.idle(step, ready=ready, waits_until=ended)
                    yield Row(guide, said, cells, bar, "yellow")
                    ready = ended
                    yield from self._below(branch, self.notes.hold(turn))
                case _:
                    bar = self.axis.idle(step, ready=ready, waits_until=waits)
                    yield Row(guide, said, (step.outcome.value, "", "", ""), bar)
        yield from self._below(branch, self.notes.step(step))

    def _below(self, branch: Branch, notes: Iterable[str]) -> Iterator[Row]:
        for note in notes:
            yield Row(branch.below, plain(note), style="dim")


def _turns(step: Step) -> Sequence[Attempt | Hold | StepOutcome]:
    """Put attempts and holds in one order, and the outcome behind when neither tells it."""
    if step.attempts and not step.holds and not step.suppression:
        return step.attempts
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

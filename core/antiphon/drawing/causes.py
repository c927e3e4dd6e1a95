"""What caused what in a recovery, as boxes and arrows.

The branches of a join lead to the one step that they made run, each as a parent of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from antiphon.drawing.boxes import Arrow, Card
from antiphon.drawing.choice import telling
from antiphon.trace.flow import Child, Scheduled
from antiphon.trace.model import Trace
from antiphon.trace.parts import Step, StepOutcome, TracedEvent
from antiphon.trace.rows import name
from antiphon.trace.words import clock, spell

_MOST_STEPS = 120
_MOST_ENDS = 12
"""Loose ends with an arrow to the closing; of more, only that of the critical path has one."""

_CLOSING = "closing"
_LOOKS = {
    StepOutcome.RUNNING: "live",
    StepOutcome.COMPLETED: "good",
    StepOutcome.RETRYING: "warn",
    StepOutcome.DIED: "bad",
    StepOutcome.WAITING: "warn",
    StepOutcome.LOST: "bad",
    StepOutcome.HELD: "warn",
    StepOutcome.SUPPRESSED: "warn",
}
_VERDICTS = {"completed": "good", "failed": "bad", "halted": "bad"}
_BRANCHES = frozenset({StepOutcome.JOINED, StepOutcome.LATE})


class Causes:
    """The boxes and arrows of one recovery."""

    def __init__(self, trace: Trace, link: Callable[[str], str] | None) -> None:
        self.trace = trace
        self._link = link
        chosen = telling(trace, most_steps=_MOST_STEPS, most_others=_MOST_STEPS)
        self._chosen = chosen
        self._steps = [step for step in trace.steps if step.id in chosen.steps]
        self._events = [event for event in trace.events if event.id in chosen.others]
        self._children = [child for child in trace.children if child.id in chosen.others]
        self._critical = {step.id for step in trace.critical_path.steps}
        self._heralds = {child.event_id: child for child in trace.children if child.event_id}
        self._merged = self._merge()
        self.arrows = list(dict.fromkeys(self._arrows()))
        # A damaged record may tell of two deliveries of one name.
        self.cards = list({card.id: card for card in self._cards()}.values())
        self._close()

    @property
    def missing(self) -> str:
        """How much is not drawn; empty when all of it is."""
        said = self._chosen.left_out
        return f"left out: {', '.join(said)} that tell less" if said else ""

    def _merge(self) -> dict[str, str]:
        """Say which step stands for each branch of a join: the one it helped to make run."""
        merged: dict[str, str] = {}
        for step in self._steps:
            if step.outcome in _BRANCHES:
                merged[step.id] = self._fired(step).id
        return merged

    def _fired(self, branch: Step) -> Step:
        alike = [step for step in self._steps if step.group == branch.group]
        fired = (s for s in alike if s.outcome not in _BRANCHES and s.start >= branch.start)
        return next(fired, alike[0])

    def _node(self, step: Step) -> str:
        return "s" + self._merged.get(step.id, step.id)

    def _arrows(self) -> Iterator[Arrow]:
        events = {event.id for event in self._events}
        done = {(s.group, s.event_id): s for s in self._steps}
        by_a_step = {event_id for step in self._steps for event_id in step.published}
        for step in self._steps:
            yield from self._of_step(step, events, done)
        for event in self._events:
            if child := self._heralds.get(event.id):
                yield Arrow(start=f"c{child.id}", end=f"e{event.id}")
            elif event.id not in by_a_step and event.cause in events and event.cause != event.id:
                yield Arrow(start=f"e{event.cause}", end=f"e{event.id}")
        for later in self._later():
            if by := done.get((later.by, later.cause)):
                yield Arrow(start=self._node(by), end=f"l{later.id}", look="unsure", label="later")
        for child in self._children:
            if by := done.get((child.by, child.cause)):
                yield Arrow(start=self._node(by), end=f"c{child.id}", label="starts")

    def _of_step(
        self, step: Step, events: set[str], done: dict[tuple[str, str], Step]
    ) -> Iterator[Arrow]:
        critical = "critical" if step.id in self._critical else ""
        if step.undo_of:
            if undone := done.get((step.group, step.undo_of)):
                yield Arrow(
                    start=self._node(undone), end=self._node(step), look="back", label="undone by"
                )
        elif step.event_id in events:
            label = "branch" if step.outcome in _BRANCHES else ""
            yield Arrow(start=f"e{step.event_id}", end=self._node(step), look=critical, label=label)
        followed = {s.event_id for s in self.trace.critical_path.steps}
        for event_id in step.published:
            if event_id in events and event_id not in self._heralds:
                look = critical if event_id in followed else ""
                yield Arrow(start=self._node(step), end=f"e{event_id}", look=look)

    def _later(self) -> Sequence[Scheduled]:
        published = {event.id for event in self.trace.events}
        drawn = self._chosen.others - published
        return [it for it in self.trace.scheduled if it.id in drawn]

    def _cards(self) -> Iterator[Card]:
        for event in self._events:
            yield self._event(event)
        for step in self._steps:
            if self._node(step) == f"s{step.id}":
                yield self._step(step)
        for later in self._later():
            due = f"due {clock(later.due, self.trace.as_of)}" if later.due else "put off"
            yield Card(id=f"l{later.id}", lines=(name(later), due), shape="round", look="undo")
        for child in self._children:
            yield self._child(child)

    def _event(self, event: TracedEvent) -> Card:
        since = event.time - self.trace.opened
        root = "failure" if not event.cause else ""
        lines = (event.type, *([event.subject] if event.subject else []), f"+{spell(since)}")
        return Card(
            id=f"e{event.id}",
            lines=lines,
            shape="round",
            look="bad" if root else "",
            title="\n".join((*lines, f"{event.time:%Y-%m-%d %H:%M:%S} UTC", event.id)),
        )

    def _step(self, step: Step) -> Card:
        critical = step.id in self._critical
        tries = f", {len(step.attempts)} attempts" if len(step.attempts) > 1 else ""
        took = f", {spell(step.lasted(self.trace.as_of))}" if step.attempts else ""
        error = next((a.error for a in reversed(step.attempts) if a.error), None)
        lines = (
            name(step) + (" ★" if critical else ""),
            f"{step.outcome}{tries}{took}",
            *([error] if error else []),
        )
        look = "undo" if step.undo_of else _LOOKS.get(step.outcome, "")
        return Card(
            id=f"s{step.id}",
            lines=lines,
            look=f"{look} critical".strip() if critical else look,
            title="\n".join((*lines, *([step.note] if step.note else []))),
        )

    def _child(self, child: Child) -> Card:
        return Card(
            id=f"c{child.id}",
            lines=(name(child), child.verdict or "open", child.id),
            look=_VERDICTS.get(child.verdict, "live"),
            shape="slant",
            href=self._link(child.id) if self._link else None,
        )

    def _close(self) -> None:
        """Lead the loose ends to how the recovery was closed."""
        trace = self.trace
        if trace.closed is None:
            return
        starts = {arrow.start for arrow in self.arrows}
        ends = [card.id for card in self.cards if card.id not in starts]
        if len(ends) > _MOST_ENDS:
            ends = [f"s{step.id}" for step in trace.critical_path.steps[-1:]]
        self.arrows += [Arrow(start=end, end=_CLOSING) for end in ends]
        verdict = trace.verdict or "closed"
        lines = (f"recovery {verdict}", f"+{spell(trace.closed - trace.opened)}")
        self.cards.append(
            Card(id=_CLOSING, lines=lines, look=_VERDICTS.get(verdict, "warn"), shape="note")
        )

"""The tree of a recovery: an event, the steps that answered it, the events those published.

Below a step stand the events it put off, the recoveries it started and its undo as well.
The tree is walked, never built, and without recursion: a chain may be thousands of steps long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from antiphon.trace.flow import Child, Scheduled
from antiphon.trace.glyphs import Glyphs
from antiphon.trace.model import Trace
from antiphon.trace.parts import Step, StepOutcome, TracedEvent

_WIDEST_GUIDE = 12
"""In columns. Deeper branches are drawn at this depth, without the guides of the outermost."""

Node = TracedEvent | Step | Scheduled | Child


class Branch(NamedTuple):
    """A part of the recovery, with the guides that lead to it."""

    node: Node
    guide: str
    """What stands before its name."""

    below: str
    """What stands before further lines about it."""


class _Family:
    """Who follows from whom."""

    def __init__(self, trace: Trace) -> None:
        self.published = {event.id: event for event in trace.events}
        self.answers: dict[str, list[Node]] = {}
        """By event: the steps that answered it, and the events it caused without one."""

        self.offspring: dict[str, list[Node]] = {}
        """By step or child: what followed from it beside the events that a step published."""

        self.roots: list[Node] = []
        self._steps = _by_place(trace.steps)
        self.heralds = {child.event_id: child for child in trace.children if child.event_id}
        """By event: the child it tells of."""

        for step in trace.steps:
            if not step.undo_of:
                self.answers.setdefault(step.event_id, []).append(step)
        self._settle_events(trace)
        later = [it for it in trace.scheduled if it.id not in self.published]
        others: list[Scheduled | Child] = [*later, *trace.children]
        for it in others:
            self._below(self._steps.get((it.by, it.cause)), it)
        for step in trace.steps:
            if step.undo_of:
                self._below(self._steps.get((step.group, step.undo_of)), step)

    def of(self, node: Node) -> list[Node]:
        match node:
            case Step():
                own = [it for it in node.published if it not in self.heralds]
                published: list[Node] = [self.published[event_id] for event_id in own]
                if self.offspring:  # hardly any recovery has them
                    published += self.offspring.get(node.id, ())
                return published
            case TracedEvent():
                return self.answers.get(node.id, [])
            case _:
                return self.offspring.get(node.id, [])

    def _settle_events(self, trace: Trace) -> None:
        by_a_step = {event_id for step in trace.steps for event_id in step.published}
        for event in trace.events:
            if herald := self.heralds.get(event.id):
                self._below(herald, event)
            elif event.id in by_a_step:
                continue
            elif event.cause in self.published:
                self.answers.setdefault(event.cause, []).append(event)
            else:
                self.roots.append(event)

    def _below(self, parent: Step | Child | None, node: Node) -> None:
        if parent is None:
            self.roots.append(node)
        else:
            self.offspring.setdefault(parent.id, []).append(node)


def _by_place(steps: Iterable[Step]) -> dict[tuple[str, str], Step]:
    """Find steps by group and event; of several deliveries, the one that completed."""
    found: dict[tuple[str, str], Step] = {}
    for step in steps:
        if step.outcome == StepOutcome.COMPLETED or (step.group, step.event_id) not in found:
            found[step.group, step.event_id] = step
    return found


def branches(trace: Trace, glyphs: Glyphs) -> Iterator[Branch]:
    """Walk the tree from its roots, depth first, everything exactly once."""
    family = _Family(trace)
    seen = set[int]()  # by identity: to name each part again and again would take half the time
    # Causes are claims of whoever wrote the entry: a ring of them has no root, so try every event.
    for root in (*family.roots, *trace.events):
        pending: list[Branch] = [Branch(root, "", "")]
        while pending:
            branch = pending.pop()
            if id(branch.node) in seen:
                continue
            seen.add(id(branch.node))
            yield branch
            if children := [it for it in family.of(branch.node) if id(it) not in seen]:
                pending.extend(reversed(_led(branch, children, glyphs)))


def _led(parent: Branch, children: Sequence[Node], glyphs: Glyphs) -> list[Branch]:
    """Put the guides before the children of a node.

    An event stands under the step that published it, without a level of its own: a hop of the
    recovery costs two columns, not four.
    """
    inner = parent.below[-_WIDEST_GUIDE:]
    if not isinstance(parent.node, TracedEvent):
        return [
            Branch(child, inner + glyphs.undoes, inner + glyphs.gap)
            if isinstance(child, Step)
            else Branch(child, inner + glyphs.publishes, inner)
            for child in children
        ]
    *others, last = children
    fork, through = inner + glyphs.fork, inner + glyphs.through
    return [
        *(Branch(child, fork, through) for child in others),
        Branch(last, inner + glyphs.last, inner + glyphs.gap),
    ]

"""The tree of a recovery: an event, the steps that answered it, the events those published.

It is walked, never built, and without recursion: a chain may be thousands of steps long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from antiphon.trace.glyphs import Glyphs
from antiphon.trace.model import Trace
from antiphon.trace.parts import Step, TracedEvent

_WIDEST_GUIDE = 12
"""In columns. Deeper branches are drawn at this depth, without the guides of the outermost."""


@dataclass(frozen=True, slots=True)
class Branch:
    """An event or a step, with the guides that lead to it."""

    node: TracedEvent | Step
    guide: str
    """What stands before its name."""

    below: str
    """What stands before further lines about it."""


class _Family:
    """Who follows from whom."""

    def __init__(self, trace: Trace) -> None:
        self.steps: dict[str, list[Step]] = {}
        for step in trace.steps:
            self.steps.setdefault(step.event_id, []).append(step)
        self.published: Mapping[str, TracedEvent] = {event.id: event for event in trace.events}
        by_a_step = {event_id for step in trace.steps for event_id in step.published}
        self.caused: dict[str, list[TracedEvent]] = {}
        self.roots: list[TracedEvent] = []
        for event in trace.events:
            if event.id in by_a_step:
                continue
            if event.cause in self.published:
                self.caused.setdefault(event.cause, []).append(event)
            else:
                self.roots.append(event)

    def of(self, node: TracedEvent | Step) -> list[TracedEvent | Step]:
        if isinstance(node, Step):
            return [self.published[event_id] for event_id in node.published]
        return [*self.steps.get(node.id, ()), *self.caused.get(node.id, ())]


def branches(trace: Trace, glyphs: Glyphs) -> Iterator[Branch]:
    """Walk the tree from its roots, depth first, everything exactly once."""
    family = _Family(trace)
    seen: set[str] = set()
    # Causes are claims of whoever wrote the entry: a ring of them has no root, so try every event.
    for root in (*family.roots, *trace.events):
        pending: list[Branch] = [Branch(root, "", "")]
        while pending:
            branch = pending.pop()
            if branch.node.id in seen:
                continue
            seen.add(branch.node.id)
            children = [child for child in family.of(branch.node) if child.id not in seen]
            yield branch
            pending.extend(reversed(list(_led(branch, children, glyphs))))


def _led(
    parent: Branch, children: Sequence[TracedEvent | Step], glyphs: Glyphs
) -> Iterator[Branch]:
    """Put the guides before the children of a node.

    An event stands under the step that published it, without a level of its own: a hop of the
    recovery costs two columns, not four.
    """
    inner = parent.below[-_WIDEST_GUIDE:]
    if isinstance(parent.node, Step):
        for child in children:
            yield Branch(child, inner + glyphs.publishes, inner)
        return
    for position, child in enumerate(children, 1):
        is_last = position == len(children)
        piece, rest = (glyphs.last, glyphs.gap) if is_last else (glyphs.fork, glyphs.through)
        yield Branch(child, inner + piece, inner + rest)

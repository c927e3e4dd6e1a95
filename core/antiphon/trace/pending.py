"""What an open recovery waits for that is no delivery: an instant, a join, a rollback, a child."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from antiphon.advised import command
from antiphon.trace.history import NOBODY, History
from antiphon.trace.parts import INBOX, Outstanding
from antiphon.trace.words import clock, plain, spell

LATER = "later"
"""An event that was put off: `later|event id|type`."""

JOIN = "join"
"""A join that gives up at an instant: `join|group|group`."""

UNDO = "undo"
"""Steps that are still to be undone: `undo|number|`."""

CHILD = "child"
"""A recovery that this one started: `child|correlation id|type`."""


def split(name: str) -> tuple[str, str, str]:
    """Split the name of outstanding work in three: ids between the bars may hold bars."""
    label, _, rest = name.partition("|")
    middle, _, last = rest.rpartition("|")
    return label, middle, last


def brief(name: str) -> str:
    """Say in a few words what a name of outstanding work stands for."""
    label, middle, last = split(name)
    words = {
        LATER: f"{last}, put off",
        JOIN: f"the join {last}",
        UNDO: "the rollback",
        CHILD: f"the child {middle}",
        INBOX: f"{last} on a dead letter",
    }
    if label in words:
        return words[label]
    return f"{label}, which nobody answers" if last == NOBODY else f"{last} on {label}"


@dataclass(frozen=True, slots=True)
class Pending:
    """Explains such work, and what to do about it."""

    history: History
    as_of: datetime

    def explain(self, name: str) -> Outstanding | None:
        """Explain one name; None when it is that of a delivery."""
        label, middle, last = split(name)
        explain = {
            LATER: self._later,
            JOIN: self._join,
            UNDO: self._undo,
            CHILD: self._child,
        }.get(label)
        if explain is None:
            return None
        since, words = explain(middle, last)
        group = last if label == JOIN else ""
        return Outstanding(
            id=name, type=label, entry=middle, group=group, since=since, words=plain(words)
        )

    def _later(self, event_id: str, event_type: str) -> tuple[datetime | None, str]:
        it = self.history.flow.scheduled.get(event_id)
        if it is None:
            return None, f"{event_type} was put off, until it is time to publish it"
        what = f"{it.type} about {it.subject}, which {it.by} put off,"
        if it.due is None:
            return it.at, f"{what} is to be published"
        return it.at, f"{what} {self._until(it.due)}; then it is published"

    def _join(self, _: str, group: str) -> tuple[datetime | None, str]:
        it = self.history.flow.joins.get(group)
        if it is None or it.have is None or it.need is None:
            return None, f"the join {group} waits for branches, and gives up when its time is over"
        words = f"the join {group} has {it.have} of {it.need} branches"
        if it.due is None:
            return it.since, f"{words}, and gives up when its time is over"
        return it.since, f"{words} and {self._until(it.due)}; then it gives up"

    def _undo(self, left: str, _: str) -> tuple[datetime | None, str]:
        it = self.history.flow.rollback
        count = "1 step is" if left == "1" else f"{left} steps are"
        words = f"rolling back: {count} still to be undone, one after the other"
        return (it.at if it else None), words

    def _child(self, child_id: str, event_type: str) -> tuple[datetime | None, str]:
        it = self.history.flow.children.get(child_id)
        trace = command("trace", child_id)
        if it is None:
            return None, f"its child {child_id} ({event_type}) is not over: {trace}"
        what = f"{it.type or event_type} about {it.subject}" if it.subject else event_type
        since = f", for {spell(self.as_of - it.at)}"
        return it.at, f"its child {child_id} ({what}) is not over{since}: {trace}"

    def _until(self, due: datetime) -> str:
        at = clock(due, self.as_of)
        if due >= self.as_of:
            return f"waits until {at}"
        return f"has waited beyond {at} for a worker to see it (antiphon doctor)"

"""The path of causes: what led from the first event of a recovery to one thing in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from antiphon.errors import AntiphonError
from antiphon.instants import iso
from antiphon.trace.document import milliseconds
from antiphon.trace.parts import Step, StepOutcome, TracedEvent
from antiphon.trace.words import clock, plain, spell

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

END = "end"
"""Names what ended last: the end of the critical path."""

Link = TracedEvent | Step


@dataclass(frozen=True, slots=True)
class Causes:
    """A chain of events and steps, each because of the one before."""

    trace: Trace
    links: tuple[Link, ...]
    """From the first cause to what was asked for."""

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON: events and steps by id, with their instants."""
        return {
            "correlation_id": self.trace.correlation_id,
            "links": [_document(link, self.trace) for link in self.links],
        }

    def __str__(self) -> str:
        """Write a line for each link: when it was, and how long after the first."""
        return "\n".join(_lines(self))


def _lines(led: Causes) -> Iterator[str]:
    """Write the chain; what a link joined, undid or was put off by stands below it."""
    trace = led.trace
    first = _instant(led.links[0])
    put_off = {it.id: it for it in trace.scheduled}
    joined = _branches(trace)
    for link in led.links:
        at = _instant(link)
        stamp = f"{clock(at, trace.as_of)} {'+' + spell(at - first):>8}"
        below = " " * len(stamp)
        if isinstance(link, TracedEvent):
            yield _line(stamp, f"{link.type} about {link.subject}")
            if (it := put_off.get(link.id)) and it.due:
                yield _line(below, f"- put off by {it.by} until {clock(it.due, trace.as_of)}")
            continue
        count = f", attempt {link.attempts[-1].no}" if len(link.attempts) > 1 else ""
        worked = f" in {spell(link.lasted(trace.as_of))}" if link.attempts else ""
        undo = "undo " if link.undo_of else ""
        yield _line(stamp, f"  {undo}{link.group}: {link.outcome.value}{worked}{count}")
        for attempt in link.attempts:
            if attempt.error:
                yield _line(below, f"  ! {attempt.error}")
        for other in joined.get(link.group, ()):
            if link.attempts and other.start <= link.start:
                yield _line(
                    below,
                    f"  - it had waited for this beside {other.event_type} about {other.subject}",
                )


def _line(stamp: str, text: str) -> str:
    """Put a line together, its text made safe for a terminal."""
    indent = len(text) - len(text.lstrip())
    return f"{stamp}  {' ' * indent}{plain(text)}"


def causes(trace: Trace, what: str) -> Causes:
    """Find the chain of causes that led to an event, a step or the end.

    Args:
        trace: The recovery.
        what: The id of an event or of a step; else the type of an event, `TYPE@SUBJECT`, or a
            group, of which the latest counts; else `end`.

    Raises:
        AntiphonError: The recovery holds nothing of that name.
    """
    target = _find(trace, what)
    if target is None:
        known = ", ".join(
            sorted({step.group for step in trace.steps} | {e.type for e in trace.events})
        )
        raise AntiphonError(
            f"nothing in this recovery is called {what!r}: give the id of an event or a step, one "
            f"of {known}, or `{END}`"
        )
    return Causes(trace, tuple(reversed(list(_backwards(trace, target)))))


def _find(trace: Trace, what: str) -> Link | None:
    if what == END and trace.critical_path.steps:
        return trace.critical_path.steps[-1]
    steps = trace.steps
    return (
        next((event for event in trace.events if event.id == what), None)
        or next((step for step in steps if step.id == what), None)
        or _latest(
            event for event in trace.events if what in {event.type, f"{event.type}@{event.subject}"}
        )
        or _latest(step for step in steps if step.group == what)
        or (trace.events[-1] if what == END and trace.events else None)
    )


def _latest(found: Iterable[Link]) -> Link | None:
    return max(found, key=_instant, default=None)


def _backwards(trace: Trace, target: Link) -> Iterator[Link]:
    events = {event.id: event for event in trace.events}
    publishers = {event_id: step for step in trace.steps for event_id in step.published}
    done = {(s.group, s.event_id): s for s in trace.steps if s.outcome == StepOutcome.COMPLETED}
    seen: set[str] = set()
    link: Link | None = target
    # Causes are claims of whoever wrote the entry: they may form a ring.
    while link is not None and link.id not in seen:
        seen.add(link.id)
        yield link
        if isinstance(link, Step):
            undone = done.get((link.group, link.undo_of)) if link.undo_of else None
            link = undone or events.get(link.undo_of or link.event_id)
        else:
            link = publishers.get(link.id) or events.get(link.cause)


def _branches(trace: Trace) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in trace.steps:
        if step.outcome == StepOutcome.JOINED:
            found.setdefault(step.group, []).append(step)
    return found


def _instant(link: Link) -> datetime:
    return link.time if isinstance(link, TracedEvent) else link.start


def _document(link: Link, trace: Trace) -> dict[str, Any]:
    if isinstance(link, TracedEvent):
        return {
            "event": link.id,
            "type": link.type,
            "subject": link.subject,
            "time": iso(link.time),
        }
    return {
        "step": link.id,
        "group": link.group,
        "outcome": link.outcome.value,
        "start": iso(link.start),
        "end": iso(link.end),
        "duration_ms": milliseconds(link.lasted(trace.as_of)),
        "attempts": len(link.attempts),
    }

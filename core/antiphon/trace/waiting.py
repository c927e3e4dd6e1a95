"""What an open recovery waits for, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from antiphon.advised import command
from antiphon.guards.scope import Scope
from antiphon.trace import approvals
from antiphon.trace.approvals import Approval
from antiphon.trace.decisions import Hold
from antiphon.trace.history import NOBODY, History
from antiphon.trace.news import NEWS
from antiphon.trace.parts import INBOX, Outstanding, Step, StepOutcome, TracedEvent
from antiphon.trace.pending import CHILD, LATER, Pending, split
from antiphon.trace.words import clock, percent, plain, spell

_ENDED_BY_PEOPLE = frozenset({"pause", "storm"})
"""Guards that do not open by themselves."""


def outstanding(
    owed: Iterable[str], history: History, steps: Sequence[Step], as_of: datetime
) -> tuple[Outstanding, ...]:
    """Explain every piece of outstanding work, the longest owed first.

    Args:
        owed: Names as Redis keeps them, `type|entry|group` or with another word before the first
            bar.
        history: The events they are about.
        steps: The deliveries that have begun.
        as_of: The instant at which "since" and "in" are told.
    """
    events = {(event.type, event.entry): event for event in history.events.values()}
    begun = {step.id: step for step in steps}
    others = Pending(history, as_of)
    found = [
        others.explain(name) or _explain(name, history, events, begun.get(name), as_of)
        for name in owed
    ]
    return tuple(sorted(found, key=lambda o: (o.since or as_of, o.id)))


def unfinished(history: History, steps: Iterable[Step]) -> Iterator[str]:
    """Name what has begun and not ended: all that log lines can tell is owed."""
    for step in steps:
        if not step.outcome.is_final and step.event_type not in NEWS:
            yield step.id
    ended = history.flow.cancellation
    for later in history.flow.scheduled.values():
        dropped = ended is not None and later.at <= ended.at
        if later.id not in history.events and not dropped:
            yield f"{LATER}|{later.id}|{later.type}"
    for child in history.flow.children.values():
        if child.closed is None:
            yield f"{CHILD}|{child.id}|{child.type}"


def hold(it: Hold, as_of: datetime, asked: Approval | None = None) -> str:
    """Name the guard that holds a delivery, and until when or who can end it."""
    if it.guard.kind == approvals.GUARD:
        return _asking(it.guard.name, asked, as_of)
    words = f"held by {it.guard}"
    if it.guard.kind in _ENDED_BY_PEOPLE:
        return f"{words}: antiphon resume {Scope(it.guard.name).option}".rstrip()
    if it.due is not None and it.due >= as_of:
        return f"{words} until {clock(it.due, as_of)}"
    # It has been looked at again since, and every time it was still too early.
    return f"{words} since {clock(it.since, as_of)}"


def _asking(name: str, it: Approval | None, as_of: datetime) -> str:
    """Say who can let a step run that people must agree to, and with which command."""
    agree = command("approve", name)
    if it is None:
        return f"waits for approval {name}: {agree}"
    given = ", ".join(vote.by for vote in it.votes)
    so_far = f" ({given} agreed)" if given else ""
    until = ""
    if it.due is not None:
        at = clock(it.due, as_of)
        until = f" until {at}" if it.due >= as_of else f", which nobody gave by {at}"
    return f"waits for approval {name} by {approvals.people(it)}{so_far}{until}: {agree}"


def _explain(
    name: str,
    history: History,
    events: Mapping[tuple[str, str], TracedEvent],
    step: Step | None,
    as_of: datetime,
) -> Outstanding:
    label, entry, group = split(name)
    event = events.get((label, entry))
    if label == INBOX:
        event = history.events.get(history.replays.get((group, entry), ("", ""))[0])
    since = event.time if event else None
    if step is None:
        words = _unheld(label, group, event, as_of)
    else:
        since = _since(step, event)
        asked = history.flow.approvals.get(step.holds[-1].guard.name) if step.holds else None
        words = plain(_held(step, as_of - since, as_of, asked))
    return Outstanding(id=name, type=label, entry=entry, group=group, since=since, words=words)


def _unheld(label: str, group: str, event: TracedEvent | None, as_of: datetime) -> str:
    what = plain(f"{event.type} about {event.subject}" if event else label)
    if group == NOBODY:
        return f"no handler is subscribed to {what}"
    again = ", which was delivered again from the dead letters" if label == INBOX else ""
    waited = f", for {spell(as_of - event.time)}" if event and not again else ""
    return f"{plain(group)} has not begun {what}{again}{waited}"


def _held(step: Step, held: timedelta, as_of: datetime, asked: Approval | None) -> str:
    if step.undo_of:
        what = f"is to undo what it did on {step.event_type}"
        return f"{step.group} {what}, for {spell(held)}: {standing(step, as_of, asked)}"
    has = f"{step.group} has had {step.event_type} for {spell(held)}"
    return f"{has}, {standing(step, as_of, asked)}"


def _since(step: Step, event: TracedEvent | None) -> datetime:
    return event.time if event and step.label != INBOX else step.start


def standing(step: Step, as_of: datetime, asked: Approval | None) -> str:
    """Say where a delivery stands that has not ended: what it waits for, or how far it is."""
    next_no = step.attempts[-1].no + 1 if step.attempts else 1
    match step.outcome:
        case StepOutcome.RETRYING:
            return f"attempt {next_no} {_due(step.due, as_of)}"
        case StepOutcome.RELEASED:
            return "handed back by a stopping worker, for another to begin"
        case StepOutcome.WAITING:
            holder = step.of or "another delivery"
            return f"{holder} holds its idempotency key, next look {_due(step.due, as_of)}"
        case StepOutcome.HELD:
            return hold(step.holds[-1], as_of, asked)
        case StepOutcome.RUNNING if step.attempts:
            last = step.attempts[-1]
            running = f"attempt {last.no} running on {last.consumer} for "
            return running + spell(last.lasted(as_of)) + _progress(step)
        case _:
            return "not begun" if step.outcome == StepOutcome.OWED else str(step.outcome)


def _due(due: datetime | None, as_of: datetime) -> str:
    if due is None:
        return "to come"
    ahead = due - as_of
    return f"due in {spell(ahead)}" if due >= as_of else f"was due {spell(-ahead)} ago"


def _progress(step: Step) -> str:
    if step.progress is None:
        return ""
    return f", {percent(step.progress.fraction)} {step.progress.message}".rstrip()

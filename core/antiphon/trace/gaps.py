"""What a trace cannot know because its source does not tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import orjson

from antiphon.ledger import Kind
from antiphon.summary import Summary
from antiphon.trace.history import History
from antiphon.trace.inferring import INFERRED
from antiphon.trace.logs import LogRows
from antiphon.trace.news import NEWS
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, StepOutcome, TracedEvent
from antiphon.trace.periods import periods
from antiphon.trace.words import spell

_APART = timedelta(seconds=1)
"""Clocks that differ by less deceive nobody much."""


def in_ledger(history: History) -> Iterator[str]:
    """Name what a ledger lacks; a whole one of this release lacks nothing."""
    if history.root is None:
        yield "the opening: the ledger begins after it, as if it had been trimmed"
    if history.unknown_kinds:
        kinds = ", ".join(repr(kind) for kind in sorted(history.unknown_kinds))
        yield f"the meaning of rows of kind {kinds}: a newer release wrote them"


def in_logs(
    logs: LogRows, history: History, steps: Sequence[Step], summary: Summary
) -> Iterator[str]:
    """Name what the given log lines lack, the most telling first."""
    if not logs.rows:
        yield f"everything: no line names the recovery {logs.correlation_id}"
        return
    if summary.closed is None:
        yield (
            "the verdict: no recovery.closed line, so it is open or that line was not given, and "
            "what seems to run may be over; deliveries that no worker has begun are known to the "
            "ledger alone"
        )
    for before, after in pairwise(periods(history.turns, (), logs.rows[0].at)):
        if before.closed and after.opened is None:
            yield f"when and by what it was opened again after {before.closed:%Y-%m-%d %H:%M:%S}"
    if logs.unreadable:
        yield f"what {logs.unreadable} of its lines say: they are cut off or lack a field"
    yield from _clocks(history, steps, summary)
    yield from _counts(history, steps, summary)
    yield from _publishers(logs, history, summary)
    yield from _attempts(steps, _begun(logs), closed=summary.closed)
    yield from _passed(logs, history)
    yield from _decisions(logs, history, steps)
    yield from _people(history, steps, summary)
    yield from _plans(history, summary)


def _clocks(history: History, steps: Sequence[Step], summary: Summary) -> Iterator[str]:
    """Say by how much clocks differ when work began before its event, or after the closing."""
    apart = timedelta()
    for step in steps:
        event, starts = history.events.get(step.event_id), [a.start for a in step.attempts]
        if starts and event is not None and not step.undo_of:
            apart = max(apart, event.time - min(starts))
        if starts and summary.closed is not None and step.event_type not in NEWS:
            apart = max(apart, max(starts) - summary.closed)
    if apart >= _APART:
        yield (
            f"how long things took across machines: their clocks differ by {spell(apart)} at least"
        )


def _counts(history: History, steps: Sequence[Step], summary: Summary) -> Iterator[str]:
    """Compare what is known with how much there was, which the closing line tells."""
    if history.closing is None or summary.closed is None:
        return
    known = {
        "events": sum(event.type not in NEWS for event in history.events.values()),
        "deliveries": sum(step.event_type not in NEWS for step in steps),
        "escalations": len(history.escalations),
    }
    for what, count in known.items():
        there_were = history.closing.whole(what) or 0
        if count < there_were:
            yield f"{there_were - count} of {there_were} {what}: no line tells of them"


def _passed(logs: LogRows, history: History) -> Iterator[str]:
    """Name deliveries of which nothing is known but that somebody else had settled them."""
    for group, event_id, entry in dict.fromkeys(logs.passed):
        if (group, event_id, entry) not in history.deliveries:
            event = history.events.get(event_id)
            what = _name(event) if event else f"the event {event_id}"
            yield f"what became of {group} on {what}: it was settled, and no line says how"


def _decisions(logs: LogRows, history: History, steps: Sequence[Step]) -> Iterator[str]:
    """Name what guards decided when whoever asked them did not live to say all of it."""
    named = {(s.group, s.event_id, s.entry): _delivery(s) for s in steps}
    for row in logs.rows:
        if row.text(INFERRED):
            what = named[row.text("group"), row.text("event"), row.text("entry")]
            yield f"what {row.text('guard')} had counted when it began to hold {what}"
    asked = {row.text("approval") for row in logs.rows if row.kind == Kind.ASKED}
    for it in history.flow.approvals.values():
        if it.id not in asked:
            yield f"whom the approval {it.id} asked, and until when"
    for name, tiers in _tiers(logs).items():
        known = history.flow.approvals[name].expiries
        # Whatever follows when nobody answers follows when the last tier has not.
        if known and known[-1].otherwise != "next tier" and len(known) < tiers:
            yield f"when {tiers - len(known)} of {tiers} tiers did not answer the approval {name}"
    for step in steps:
        if step.outcome == StepOutcome.LOST and not (step.attempts or step.holds):
            yield f"what became of {_delivery(step)} before it was lost"


def _tiers(logs: LogRows) -> Mapping[str, int]:
    """Tell by approval how many tiers may be asked for it, as the line says that asks the first."""
    found: dict[str, int] = {}
    for row in logs.rows:
        if row.kind == Kind.ASKED:
            tiers = 1 + len(orjson.loads(row.text("then") or "[]"))
            found[row.text("approval")] = max(tiers, found.get(row.text("approval"), 0))
    return found


def _people(history: History, steps: Sequence[Step], summary: Summary) -> Iterator[str]:
    """Name what people did with commands whose log was not given."""
    refused = {s.suppression.guard.kind for s in steps if s.suppression}
    cancelled = summary.verdict == "cancelled" or "cancel" in refused
    if cancelled and history.flow.cancellation is None:
        yield "who cancelled it: the log of the command was not given"
    for step in steps:
        if step.replay_of and (step.group, step.entry) not in history.replays:
            what = f"the dead letter {step.replay_of}"
            yield f"who delivered {what} again: the log of the command was not given"
    ran = {(s.group, s.event_id) for s in steps if s.attempts}
    for it in history.flow.approvals.values():
        answered = (it.group, it.event_id) in ran and it.state == "waiting"
        denied = any(
            s.suppression and s.suppression.guard.name == it.id and it.state == "waiting"
            for s in steps
        )
        if answered or denied:
            verb = "approved" if answered else "denied"
            yield f"who {verb} {it.id}: the log of the command was not given"


def _plans(history: History, summary: Summary) -> Iterator[str]:
    """Name children and delayed events of which nothing more is known, when all is over."""
    if summary.closed is None:
        return
    for child in history.flow.children.values():
        if child.closed is None:
            yield f"how its child {child.id} ended"
    for later in history.flow.scheduled.values():
        given_up = later.dropped or history.flow.cancellation or history.halt
        if later.id not in history.events and not given_up and not history.flow.rollback:
            yield f"what became of {later.type} about {later.subject}, which was put off"


def _publishers(logs: LogRows, history: History, summary: Summary) -> Iterator[str]:
    for row in logs.unannounced:
        event = history.events[row.text("event")]
        if event.type in NEWS:
            continue  # it comes from the recovery itself, and no such line is written
        cause = history.events.get(event.cause)
        if cause is None:
            yield (
                f"who published {_name(event)}: a program that logs nothing of it, "
                "or one whose log was not given"
            )
        else:
            yield f"which handler of {_name(cause)} published {_name(event)}: its log was not given"
    for event in history.events.values():
        known = event.cause in history.events or event.cause in history.undos
        if event.cause and not known and not (summary.parent and event.id == summary.root):
            yield f"the event {event.cause}, which caused {_name(event)}"


def _begun(logs: LogRows) -> Mapping[str, int]:
    """Tell by delivery how many attempts had begun when it ended without another."""
    return {
        f"{row.text('group')}|{row.text('event')}|{row.text('entry')}": row.whole("attempts") or 0
        for row in logs.rows
        if row.kind in {Kind.SUPPRESSED, Kind.OUTRUN}
    }


def _attempts(
    steps: Sequence[Step], begun: Mapping[str, int], *, closed: datetime | None
) -> Iterator[str]:
    for step in steps:
        numbers = {attempt.no for attempt in step.attempts}
        place = f"{step.group}|{step.event_id}|{step.entry}"
        last = max(*numbers, 0, begun.get(place, 0))
        if last > len(numbers):
            yield f"{last - len(numbers)} of {last} attempts of {_delivery(step)}"
        known = {attempt.consumer for attempt in step.attempts}
        before = {attempt.taken_over_from for attempt in step.attempts} - known - {None}
        if last <= len(numbers):  # an attempt that was handed back is not counted
            yield from (
                f"the attempt of {_delivery(step)} on {it}" for it in sorted(map(str, before))
            )
        for attempt in step.attempts:
            if attempt.reckoned and attempt.duration:
                which = _attempt(step, attempt)
                yield f"when {which} began: reckoned from its end and its duration"
            over = closed is not None and attempt.start <= closed and not step.outcome.is_final
            if attempt.outcome == AttemptOutcome.UNKNOWN or (
                over and attempt.outcome == AttemptOutcome.RUNNING
            ):
                yield f"how {_attempt(step, attempt)} ended"
        running = step.attempts and step.attempts[-1].outcome == AttemptOutcome.RUNNING
        if closed is not None and step.start <= closed and not (step.outcome.is_final or running):
            yield f"how {_delivery(step)} ended: the last line says {step.outcome.value}"


def _attempt(step: Step, attempt: Attempt) -> str:
    return f"attempt {attempt.no} of {_delivery(step)} on {attempt.consumer}"


def _delivery(step: Step) -> str:
    return f"{step.group} on {step.event_type} about {step.subject}"


def _name(event: TracedEvent) -> str:
    return f"{event.type} about {event.subject}"

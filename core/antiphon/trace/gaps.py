"""What a trace cannot know because its source does not tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from antiphon.summary import Summary
from antiphon.trace.history import History
from antiphon.trace.logs import LogRows
from antiphon.trace.news import NEWS
from antiphon.trace.parts import Attempt, AttemptOutcome, Step, TracedEvent


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
            "the verdict: no recovery.closed line, so it is open or that line was not given; "
            "deliveries that no worker has begun are known to the ledger alone"
        )
    if logs.unreadable:
        yield f"what {logs.unreadable} of its lines say: they are cut off or lack a field"
    yield from _publishers(logs, history)
    yield from _attempts(steps, closed=summary.closed)


def _publishers(logs: LogRows, history: History) -> Iterator[str]:
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
        if event.cause and not known:
            yield f"the event {event.cause}, which caused {_name(event)}"


def _attempts(steps: Sequence[Step], *, closed: datetime | None) -> Iterator[str]:
    for step in steps:
        numbers = {attempt.no for attempt in step.attempts}
        last = max(numbers, default=0)
        if last > len(numbers):
            yield f"{last - len(numbers)} of {last} attempts of {_delivery(step)}"
        for attempt in step.attempts:
            if attempt.reckoned and attempt.duration:
                which = _attempt(step, attempt)
                yield f"when {which} began: reckoned from its end and its duration"
            over = closed is not None and attempt.start <= closed and not step.outcome.is_final
            if attempt.outcome == AttemptOutcome.UNKNOWN or (
                over and attempt.outcome == AttemptOutcome.RUNNING
            ):
                yield f"how {_attempt(step, attempt)} ended"


def _attempt(step: Step, attempt: Attempt) -> str:
    return f"attempt {attempt.no} of {_delivery(step)} on {attempt.consumer}"


def _delivery(step: Step) -> str:
    return f"{step.group} on {step.event_type} about {step.subject}"


def _name(event: TracedEvent) -> str:
    return f"{event.type} about {event.subject}"

"""What a trace holds, fact by fact, in words that do not change once true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from antiphon.trace import Attempt, AttemptOutcome, Step, Trace


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact; what it is about tells it from another in the same words."""

    about: str
    words: str
    at: datetime = field(compare=False)


def facts(trace: Trace) -> list[Fact]:
    """Say what a trace holds, one line each, the earliest first."""
    return sorted(_facts(trace), key=lambda fact: fact.at)


def _facts(trace: Trace) -> Iterator[Fact]:
    for event in trace.events:
        words = f"{event.type} about {event.subject}, from {event.by or 'outside'}"
        yield Fact(event.id, words, event.time)
    if relapse := trace.relapse:
        words = f"relapse {relapse.value} of {relapse.limit}: the recovery before did not hold"
        yield Fact(trace.correlation_id, words, relapse.at)
    for step in trace.steps:
        for words, at in _decisions(step):
            yield Fact(f"{trace.correlation_id} {step.id}", words, at)
        for attempt in step.attempts:
            for words, at in _attempt(attempt, step.group):
                yield Fact(f"{trace.correlation_id} {step.id}", words, at)
    for told in trace.escalations:
        words = f"people are told: {told.why}"
        yield Fact(f"{trace.correlation_id} {told.event_id}", words, told.at)


def _attempt(attempt: Attempt, group: str) -> Iterator[tuple[str, datetime]]:
    again = f", attempt {attempt.no}" if attempt.no > 1 else ""
    yield f"{group} started{again} on {attempt.consumer}", attempt.start
    ended = attempt.end or attempt.start
    if attempt.outcome is AttemptOutcome.TAKEN_OVER:
        yield f"{group} fell silent on {attempt.consumer}; its lease ran out", ended
    elif attempt.outcome is not AttemptOutcome.RUNNING:
        error = f": {attempt.error}" if attempt.error else ""
        yield f"{group} {attempt.outcome.value}{again}{error}", ended


def _decisions(step: Step) -> Iterator[tuple[str, datetime]]:
    for hold in step.holds:
        yield f"{step.group} is held by {hold.guard}", hold.since
    if step.suppression is not None:
        yield f"{step.group} is suppressed by {step.suppression.guard}", step.suppression.at

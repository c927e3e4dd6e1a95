"""A recovery in plain sentences: where it stands, why, what it waits for, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from antiphon.trace.news import NEWS
from antiphon.trace.parts import Step, StepOutcome
from antiphon.trace.slack import idle, lost
from antiphon.trace.words import clock, plain, spell

if TYPE_CHECKING:
    from antiphon.trace.model import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What there is to say about one recovery; every part is a tuple of plain sentences."""

    correlation_id: str
    state: tuple[str, ...]
    """Where it stands; never empty."""

    cause: tuple[str, ...]
    """What began it, what failed first, and what made it end as it did."""

    waits: tuple[str, ...]
    """What it waits for, since when, and who can end that; empty when it is over."""

    held: tuple[str, ...]
    """What guards held back or kept from running, and why."""

    time: tuple[str, ...]
    """Where the time went."""

    next: tuple[str, ...]
    """What to do, with the exact commands; never empty."""

    unknown: tuple[str, ...]
    """What the source does not tell."""

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON: lists of sentences under stable keys."""
        return {
            "correlation_id": self.correlation_id,
            "state": list(self.state),
            "cause": list(self.cause),
            "waits": list(self.waits),
            "held": list(self.held),
            "time": list(self.time),
            "next": list(self.next),
            "unknown": list(self.unknown),
        }

    def sections(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Name the parts that say something, in the order to read them."""
        parts = (
            ("State", self.state),
            ("Cause", self.cause),
            ("Waits for", self.waits),
            ("Held back", self.held),
            ("Time", self.time),
            ("Next", self.next),
            ("Not known", self.unknown),
        )
        return ((title, sentences) for title, sentences in parts if sentences)

    def __str__(self) -> str:
        """Write it as text, a sentence to a line."""
        return "\n\n".join(
            "\n".join((title, *(f"  {sentence}" for sentence in sentences)))
            for title, sentences in self.sections()
        )


def explain(trace: Trace) -> Explanation:
    """Explain a recovery from its trace."""
    parts = {
        "state": _state(trace),
        "cause": _cause(trace),
        "waits": (owed.words for owed in trace.outstanding),
        "held": _held(trace),
        "time": _time(trace),
        "next": _next(trace),
        "unknown": trace.missing,
    }
    said = {name: tuple(map(plain, sentences)) for name, sentences in parts.items()}
    return Explanation(correlation_id=plain(trace.correlation_id), **said)


def _state(trace: Trace) -> Iterator[str]:
    what = f"The recovery of {trace.subject} ({trace.root_type})"
    if trace.closed:
        yield f"{what} is over: {trace.verdict or 'closed'}, after {spell(trace.duration)}."
    else:
        yield f"{what} is open, for {spell(trace.duration)}."


def _cause(trace: Trace) -> Iterator[str]:
    yield f"It began with {trace.root_type} about {trace.subject} at {trace.opened:%H:%M:%S} UTC."
    failed = [(a, s) for s in trace.steps for a in s.attempts if a.error]
    if failed:
        attempt, step = min(failed, key=lambda each: each[0].end or each[0].start)
        at = clock(attempt.end or attempt.start, trace.as_of)
        yield f"{_name(step)} failed first, at {at}: {attempt.error}"
    if trace.halt:
        yield f"It was halted by {trace.halt}"
    if trace.cancellation:
        yield f"{trace.cancellation.by} cancelled it: {trace.cancellation.reason}"
    yield from trace.summary.reasons


def _held(trace: Trace) -> Iterator[str]:
    for step in trace.steps:
        for hold in step.holds:
            yield f"{_name(step)} was held by {hold.guard} for {spell(hold.lasted(trace.as_of))}."
        if step.suppression:
            yield f"{_name(step)} was not run: {step.suppression.why}"


def _time(trace: Trace) -> Iterator[str]:
    path = trace.critical_path
    if path.steps:
        longest = max(path.steps, key=lambda step: step.lasted(trace.as_of))
        yield (
            f"Of {spell(path.duration)}, handlers worked {spell(path.working)}; the longest was "
            f"{_name(longest)} with {spell(longest.lasted(trace.as_of))}."
        )
    if found := idle(trace):
        names = ", ".join(f"{it.step.group} {spell(it.length)} ({it.why})" for it in found)
        yield f"Waited without needing to, -{spell(lost(trace, found))}: {names}."


def _next(trace: Trace) -> Iterator[str]:
    name = shlex.quote(trace.correlation_id)
    dead = [s for s in trace.steps if s.outcome == StepOutcome.DIED and s.event_type not in NEWS]
    if dead:
        yield f"Look at what died: antiphon dead list --correlation-id {name}"
    if trace.escalations and trace.acknowledgement is None:
        yield f"Say that you know of it: antiphon ack {name}"
    if trace.closed is None:
        yield f"Watch it: antiphon watch {name}"
    elif not dead:
        yield "Nothing."


def _name(step: Step) -> str:
    undo = "the undo of " if step.undo_of else ""
    return f"{undo}{step.group} on {step.event_type} about {step.subject}"

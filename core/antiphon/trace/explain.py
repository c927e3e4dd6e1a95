"""A recovery in plain sentences: where it stands, why, what it waits for, what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from antiphon.trace import spent
from antiphon.trace.advice import advice
from antiphon.trace.blame import blame
from antiphon.trace.news import NEWS
from antiphon.trace.parts import AttemptOutcome, StepOutcome
from antiphon.trace.pending import brief
from antiphon.trace.periods import course
from antiphon.trace.words import clock, plain, spell

if TYPE_CHECKING:
    from antiphon.trace.model import Trace

_MOST = 20
"""Sentences of one part; whoever needs more takes the trace."""

_MEANINGS = {
    "completed": "nothing is outstanding and nothing went wrong that was not made good",
    "partial": "something was done, and something was not",
    "failed": "nothing of it was done",
    "halted": "it went beyond a limit and was stopped",
    "cancelled": "a person ended it",
}


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
        "cause": blame(trace),
        "waits": _waits(trace),
        "held": spent.held(trace),
        "time": spent.time(trace),
        "next": advice(trace),
        "unknown": _unknown(trace),
    }
    said = {name: tuple(_limited(sentences)) for name, sentences in parts.items()}
    return Explanation(correlation_id=plain(trace.correlation_id), **said)


def _limited(sentences: Iterable[str]) -> Iterator[str]:
    """Make sentences safe for a terminal, each once, and count those that would be too many."""
    found = list(dict.fromkeys(map(plain, sentences)))
    yield from found[:_MOST]
    if len(found) > _MOST:
        yield f"… and {len(found) - _MOST} more."


def _state(trace: Trace) -> Iterator[str]:
    what = f"The recovery of {trace.subject or '?'} ({trace.root_type or '?'})"
    if not trace.closed:
        passed = ", past its deadline" if trace.stall or trace.summary.stalled else ""
        yield f"{what} is open, for {spell(trace.duration)}{passed}."
        yield _progress(trace)
    else:
        at = clock(trace.closed, trace.as_of)
        meaning = _MEANINGS.get(trace.verdict or "", "how it ended, nothing tells")
        verdict = trace.verdict or "over"
        yield f"{what} is {verdict}, after {spell(trace.duration)} (at {at}): {meaning}."
    yield from _before(trace)


def _before(trace: Trace) -> Iterator[str]:
    """Say how it was closed before, and what opened it again."""
    reopened = trace.summary.closes - (trace.closed is not None)
    if reopened > 0:
        yield f"It had been closed before, {reopened}x, and was opened again."
    for at, words in course(trace.periods):
        yield f"At {clock(at, trace.as_of)} it was {words}."
    for it in trace.periods[:-1]:
        if it.stall:
            waits = ", ".join(map(brief, it.stall.outstanding))
            yield f"Before it was closed, its deadline had passed; it waited for {waits}."
    if trace.closed_between:
        shut = spell(trace.duration - trace.open_for)
        yield f"It was open for {spell(trace.open_for)}; for {shut} it was closed, and none waited."


def _progress(trace: Trace) -> str:
    """Count what has been done and what is under way."""
    counted = Counter(step.outcome for step in trace.steps if step.event_type not in NEWS)
    done, running = counted[StepOutcome.COMPLETED], counted[StepOutcome.RUNNING]
    return (
        f"{done} of its steps {'is' if done == 1 else 'are'} done, {running} "
        f"{'runs' if running == 1 else 'run'}, and it waits for {len(trace.outstanding)} "
        f"{'thing' if len(trace.outstanding) == 1 else 'things'}."
    )


def _waits(trace: Trace) -> Iterator[str]:
    for owed in trace.outstanding:
        since = f" (since {clock(owed.since, trace.as_of)})" if owed.since else ""
        yield f"{owed.words}{since}"


def _unknown(trace: Trace) -> Iterator[str]:
    yield from trace.missing
    if any(a.outcome == AttemptOutcome.TAKEN_OVER for s in trace.steps for a in s.attempts):
        yield "why a worker fell silent: its own log, or that of its machine, may tell"

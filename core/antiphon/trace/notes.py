"""The notes of a picture: what stands below a line to explain it.

One that begins with `!` is an error, as a handler raised it; the others begin with `-`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from antiphon.advised import command
from antiphon.trace import approvals, waiting
from antiphon.trace.approvals import Approval
from antiphon.trace.decisions import Discard, Hold
from antiphon.trace.flow import Child, JoinTimeout, Scheduled
from antiphon.trace.headlines import without_path
from antiphon.trace.model import Trace
from antiphon.trace.parts import Attempt, Step, StepOutcome, TracedEvent
from antiphon.trace.words import clock, percent


class Notes:
    """Knows what there is to say about each part of a trace."""

    def __init__(self, trace: Trace, workers: Mapping[str, str]) -> None:
        self.trace = trace
        self.workers = workers
        self.scheduled: Mapping[str, Scheduled] = {it.id: it for it in trace.scheduled}
        """By event id, also those that were published since."""

        self._discards: Mapping[str, Discard] = {it.dead: it for it in trace.discards}
        self._approvals: Mapping[str, Approval] = {it.id: it for it in trace.approvals}
        self._timeouts: Mapping[str, JoinTimeout] = {it.event_id: it for it in trace.timeouts}
        self._closings: Mapping[str, Child] = {it.event_id: it for it in trace.children}

    def event(self, it: TracedEvent) -> Iterator[str]:
        """Say why an event is there when no handler published it just so."""
        if put_off := self.scheduled.get(it.id):
            yield f"- {self._put_off(put_off)}"
        if timeout := self._timeouts.get(it.id):
            yield f"- {timeout}"
        if child := self._closings.get(it.id):
            yield f"- its child {child.id}: {child.verdict or 'over'}"

    def later(self, it: Scheduled) -> Iterator[str]:
        """Say when an event that was put off is to come."""
        if it.due:
            yield f"- put off until {self._clock(it.due)}"

    def child(self, it: Child) -> Iterator[str]:
        """Say how to see what a child did."""
        yield f"- {command('trace', it.id)}"

    def attempt(self, it: Attempt) -> Iterator[str]:
        """Say who held it before, and what went wrong."""
        if it.taken_over_from:
            silent = self.workers.get(it.taken_over_from, it.taken_over_from)
            yield f"- taken over from {silent}, which fell silent"
        if it.error:
            yield f"! {it.error}"
        if it.refused:
            yield f"- came back at {self._clock(it.refused)}, too late to count"

    def hold(self, it: Hold) -> Iterator[str]:
        """Say which guard held it and how it lets go, or what people answered."""
        asked = self._approvals.get(it.guard.name) if it.guard.kind == approvals.GUARD else None
        if it.until is None:
            yield f"- {waiting.hold(it, self.trace.as_of, asked)}"
        elif asked is None:
            yield f"- by {it.guard}"
        else:
            yield f"- asked for approval {asked.id}: {approvals.people(asked)}"
        for at, words in approvals.course(asked) if asked else ():
            yield f"- at {self._clock(at)} {words}"

    def step(self, it: Step) -> Iterator[str]:
        """Say what became of a delivery as a whole."""
        if it.replay_of:
            yield f"- delivered again, from dead letter {it.replay_of}"
        if it.dead and (thrown := self._discards.get(it.dead)):
            yield f"- dead letter {it.dead} {thrown}"
        if it.outcome == StepOutcome.DUPLICATE:
            yield f"- {it.of or 'another delivery'} had done it"
        if it.outcome == StepOutcome.WAITING:
            yield f"- {it.of or 'another delivery'} holds its idempotency key"
        if why := it.suppression:
            opens = f", free again at {self._clock(why.opens)}" if why.opens else ""
            yield f"- by {why.guard}{opens}"
        if it.note:
            yield f"- {without_path(it.note, self.trace)}{self._by(it)}"
        if it.won:
            yield f"- {it.won}"
        if it.progress and it.outcome == StepOutcome.RUNNING:
            yield f"- {percent(it.progress.fraction)} {it.progress.message}".rstrip()

    def _by(self, it: Step) -> str:
        """Say until when a join waits for its other branches."""
        if it.outcome != StepOutcome.JOINED or it.due is None:
            return ""
        return f", the others may until {self._clock(it.due)}"

    def _put_off(self, it: Scheduled) -> str:
        due = f" until {self._clock(it.due)}" if it.due else ""
        return f"put off at {self._clock(it.at)}{due}"

    def _clock(self, moment: datetime) -> str:
        return clock(moment, self.trace.as_of)

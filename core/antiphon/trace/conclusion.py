"""The summary that a history amounts to, when Redis's own is not at hand."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.keys import NEWS_TYPES
from antiphon.ledger import Entry
from antiphon.summary import Summary
from antiphon.trace.history import History
from antiphon.trace.parts import Step, StepOutcome


def conclude(history: History, steps: Sequence[Step], correlation_id: str) -> Summary:
    """Sum up a recovery from its rows alone."""
    first = min(history.events.values(), key=lambda event: event.time, default=None)
    closing = _closing(history, steps)
    given_up = {(s.group, s.event_id): s for s in steps if s.event_type not in NEWS_TYPES}
    dead = [s for s in given_up.values() if s.outcome == StepOutcome.DIED]
    suppressed = [s for s in given_up.values() if s.outcome == StepOutcome.SUPPRESSED]
    told = history.escalations[-1] if history.escalations else None
    known = history.acknowledgement
    done = sum(
        step.outcome == StepOutcome.COMPLETED and step.event_type not in NEWS_TYPES
        for step in steps
    )
    return Summary(
        correlation_id=correlation_id,
        status="closed" if closing else "open",
        verdict=closing.text("verdict") or None if closing else None,
        type=first.type if first else "",
        subject=first.subject if first else "",
        root=first.id if first else "",
        opened=first.time if first else None,
        closed=closing.at if closing else None,
        closes=history.closes,
        events=len(history.events),
        done=done if closing is None else closing.whole("done") or done,
        dead=len(dead),
        unanswered=0 if closing is None else closing.whole("unanswered") or 0,
        suppressed=(closing and closing.whole("suppressed")) or len(suppressed),
        coalesced=history.coalesced,
        relapse_of=history.relapse.of if history.relapse else "",
        halted=_halted(history, suppressed),
        escalated=told.at if told else None,
        tier=told.tier if told else 0,
        acked=known.at if known else None,
        acked_by=known.by if known else "",
        reasons=tuple(sorted(_reason(step) for step in (*dead, *suppressed))),
    )


def _closing(history: History, steps: Sequence[Step]) -> Entry | None:
    """Return the row that closed it, unless work has begun since.

    Log lines may lack the one that says it was reopened.
    """
    closing = history.closing
    reopened = closing is not None and any(
        step.start > closing.at and not step.outcome.is_final and step.event_type not in NEWS_TYPES
        for step in steps
    )
    return None if reopened else closing


def _halted(history: History, suppressed: Sequence[Step]) -> str:
    """Say why it was halted in the words of the delivery that was to be one too many."""
    halt = history.halt
    if halt is None:
        return ""
    return next((s.note for s in suppressed if s.note.endswith(halt.path)), str(halt))


def _reason(step: Step) -> str:
    if step.suppression is not None:
        return f"{step.group}: suppressed by {step.suppression.guard.kind}: {step.note}"
    return f"{step.group}: died after {step.attempts[-1].no if step.attempts else 0} attempts"

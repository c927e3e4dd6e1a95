"""The summary that a history amounts to, when Redis's own is not at hand."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.keys import CLOSING_TYPES
from antiphon.ledger import Entry
from antiphon.summary import Summary
from antiphon.trace.history import History
from antiphon.trace.parts import Step, StepOutcome


def conclude(history: History, steps: Sequence[Step], correlation_id: str) -> Summary:
    """Sum up a recovery from its rows alone."""
    first = min(history.events.values(), key=lambda event: event.time, default=None)
    closing = _closing(history, steps)
    given_up = {(s.group, s.event_id): s for s in steps if s.event_type not in CLOSING_TYPES}
    dead = [s for s in given_up.values() if s.outcome == StepOutcome.DIED]
    done = sum(step.outcome == StepOutcome.COMPLETED for step in steps)
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
        reasons=tuple(sorted(_reason(step) for step in dead)),
    )


def _closing(history: History, steps: Sequence[Step]) -> Entry | None:
    """Return the row that closed it, unless work has begun since.

    Log lines may lack the one that says it was reopened.
    """
    closing = history.closing
    reopened = closing is not None and any(
        step.start > closing.at
        and not step.outcome.is_final
        and step.event_type not in CLOSING_TYPES
        for step in steps
    )
    return None if reopened else closing


def _reason(step: Step) -> str:
    return f"{step.group}: died after {step.attempts[-1].no if step.attempts else 0} attempts"

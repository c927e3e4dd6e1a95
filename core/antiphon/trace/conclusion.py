"""The summary that a history amounts to, when Redis's own is not at hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from antiphon.summary import Summary
from antiphon.trace.flow import Flow
from antiphon.trace.history import History
from antiphon.trace.news import NEWS, STEP_FAILED
from antiphon.trace.parts import Step, StepOutcome

_NOT_UNDONE = frozenset({StepOutcome.DIED, StepOutcome.LOST, StepOutcome.SUPPRESSED})
"""How an undo ends in vain."""


def conclude(history: History, steps: Sequence[Step], correlation_id: str) -> Summary:
    """Sum up a recovery from its rows alone."""
    first = min(history.events.values(), key=lambda event: event.time, default=None)
    closing = history.closing
    undos = [s for s in steps if s.undo_of]
    steps = [s for s in steps if not s.undo_of]
    given_up = {(s.group, s.event_id): s for s in steps if s.event_type not in NEWS}
    dead = [
        step
        for step in given_up.values()
        if step.outcome == StepOutcome.DIED and not _answered(step, history)
    ]
    suppressed = [s for s in given_up.values() if s.outcome == StepOutcome.SUPPRESSED]
    lost = [s for s in given_up.values() if s.outcome == StepOutcome.LOST]
    reasons = sorted((*map(_reason, (*dead, *suppressed, *lost)), *_unjoined(history, steps)))
    told = history.escalations[-1] if history.escalations else None
    known, flow = history.acknowledgement, history.flow
    done = sum(
        step.outcome == StepOutcome.COMPLETED and step.event_type not in NEWS for step in steps
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
        unanswered=0 if closing is None else closing.whole("unanswered") or len(lost),
        suppressed=(closing and closing.whole("suppressed")) or len(suppressed),
        coalesced=history.coalesced,
        relapse_of=history.relapse.of if history.relapse else "",
        halted=_halted(history, suppressed),
        escalated=told.at if told else None,
        tier=told.tier if told else 0,
        acked=known.at if known else None,
        acked_by=known.by if known else "",
        parent=history.root.text("parent") if history.root else "",
        source=history.root.text("source") if history.root else "",
        deadline=flow.stall.deadline if flow.stall else None,
        stalled=flow.stall.at if flow.stall else None,
        cancelled=_cancelled(flow),
        undoing=flow.rollback.verdict if flow.rollback and not closing else "",
        undos=0 if closing else sum(not s.outcome.is_final for s in undos),
        undone=sum(s.outcome == StepOutcome.COMPLETED for s in undos),
        notundone=sum(s.outcome in _NOT_UNDONE for s in undos),
        left=_left(steps, undos, reasons, history) if closing else "",
        reasons=tuple(reasons),
    )


def _unjoined(history: History, steps: Sequence[Step]) -> Iterator[str]:
    """Name the joins that lack branches."""
    fired = {step.group for step in steps if step.attempts}
    for group, it in history.flow.joins.items():
        if group not in fired and it.have is not None and it.need is not None:
            yield f"{group}: {it.have} of {it.need} branches arrived"


def _left(
    steps: Sequence[Step], undos: Sequence[Step], reasons: Sequence[str], history: History
) -> str:
    """Say what a recovery leaves behind that did not complete, as the scripts do."""
    stopped = history.flow.cancellation or history.halt
    kept = Counter(s.group for s in steps if _took_effect(s))
    kept -= Counter(s.group for s in undos if _took_effect(s))
    if not kept or not (reasons or stopped):
        return ""
    what = "; ".join(reasons) or "what should have followed"
    return f"{', '.join(sorted(kept))} took effect, and this did not: {what}"


def _took_effect(step: Step) -> bool:
    return step.outcome == StepOutcome.COMPLETED and step.event_type not in NEWS


def _cancelled(flow: Flow) -> str:
    """Say who cancelled it and why, as Redis keeps it."""
    it = flow.cancellation
    return ": ".join(filter(None, (it.by, it.reason))) if it else ""


def _answered(died: Step, history: History) -> bool:
    """Whether an event of its handler's own stands for a death, which is then a branch."""
    return any(history.events[event_id].type != STEP_FAILED for event_id in died.published)


def _halted(history: History, suppressed: Sequence[Step]) -> str:
    """Say why it was halted in the words of the delivery that was to be one too many."""
    halt = history.halt
    if halt is None:
        return ""
    return next((s.note for s in suppressed if s.note.endswith(halt.path)), str(halt))


def _reason(step: Step) -> str:
    if step.outcome == StepOutcome.LOST:
        return f"{step.group}: the entry {step.entry} of {step.label} was lost"
    if step.suppression is not None:
        return f"{step.group}: suppressed by {step.suppression.guard.kind}: {step.note}"
    return f"{step.group}: died after {step.attempts[-1].no if step.attempts else 0} attempts"

"""The choice of what to draw of a recovery that is too large to be drawn whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from antiphon.drawing.svg import counted
from antiphon.trace.flow import Child, Scheduled
from antiphon.trace.model import Trace
from antiphon.trace.parts import Step, StepOutcome, TracedEvent

_FAILED = frozenset({StepOutcome.DIED, StepOutcome.LOST, StepOutcome.SUPPRESSED, StepOutcome.LATE})


@dataclass(frozen=True, slots=True)
class Choice:
    """What is drawn of a recovery, by id."""

    steps: frozenset[str]
    others: frozenset[str]
    """Events, those put off, and recoveries it started."""

    left_out: tuple[str, ...]
    """How much is not, as in `3 steps`; empty when all of it is drawn."""


def telling(trace: Trace, *, most_steps: int, most_others: int) -> Choice:
    """Choose what tells most: all of it when there is no more than that.

    Args:
        trace: The recovery.
        most_steps: How many steps to draw.
        most_others: How many events, events put off and children in addition to the events that
            those steps answered; none of them when steps have to be left out.
    """
    steps = _steps(trace, most_steps)
    causes = {step.event_id for step in trace.steps if step.id in steps}
    causes.update(event.id for event in trace.events[:1])
    kinds: tuple[tuple[str, Sequence[TracedEvent | Scheduled | Child]], ...] = (
        ("event", trace.events),
        ("postponement", _later(trace)),
        ("further recovery", trace.children),
    )
    rest = [it.id for _, them in kinds for it in them if it.id not in causes]
    # An event that led nowhere tells less than a step that had to be left out.
    room = most_others if len(steps) == len(trace.steps) else 0
    others = causes.union(rest[:room])
    missing = [("step", len(trace.steps) - len(steps))]
    missing += [(noun, sum(it.id not in others for it in them)) for noun, them in kinds]
    return Choice(
        steps,
        frozenset(others),
        tuple(counted(n, noun) for noun, n in missing if n),
    )


def _later(trace: Trace) -> list[Scheduled]:
    published = {event.id for event in trace.events}
    return [it for it in trace.scheduled if it.id not in published]


def _steps(trace: Trace, most: int) -> frozenset[str]:
    """Choose steps, one after the other from three lists, each with the longest first.

    They are the critical path, those that failed or go on, and the rest.
    """
    steps = trace.steps
    if len(steps) <= most:
        return frozenset(step.id for step in steps)
    as_of = trace.as_of
    critical = list(trace.critical_path.steps)
    ends = [*critical[:1], *critical[-1:]]
    troubled = [s for s in steps if s.outcome in _FAILED or not s.outcome.is_final]
    ways = [
        [*ends, *_longest(critical, trace)],
        _longest(troubled, trace),
        sorted(steps, key=lambda step: step.lasted(as_of), reverse=True),
    ]
    chosen: dict[str, None] = {}
    for rank in range(len(steps)):
        for way in ways:
            if rank < len(way) and len(chosen) < most:
                chosen[way[rank].id] = None
        if len(chosen) >= most:
            break
    return frozenset(chosen)


def _longest(steps: Iterable[Step], trace: Trace) -> Sequence[Step]:
    return sorted(steps, key=lambda step: (step.end or trace.as_of) - step.start, reverse=True)

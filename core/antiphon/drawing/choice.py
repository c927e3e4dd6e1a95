"""The choice of what to draw of a recovery that is too large to be drawn whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from antiphon.trace.model import Trace
from antiphon.trace.parts import Step, StepOutcome

_FAILED = frozenset({StepOutcome.DIED, StepOutcome.LOST, StepOutcome.SUPPRESSED, StepOutcome.LATE})


def telling(trace: Trace, most: int) -> frozenset[str]:
    """Choose the steps that tell most, by id: all of them when there are no more than `most`.

    One after the other: from the critical path, of those that failed or go on, and of the rest;
    within each the ones that took longest.
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

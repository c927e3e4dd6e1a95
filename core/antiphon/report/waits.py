"""Where the time went: each instant of the critical path is work, or one kind of waiting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest

from antiphon.report.deeds import PAUSING
from antiphon.trace import AttemptOutcome, Hold, Step, Trace
from antiphon.trace import approvals as asking
from antiphon.trace.slack import Idle

WORK = "working"
APPROVAL = "approvals"
PAUSE = "pauses"
BACKOFF = "backoff before a retry"
PUT_OFF = "events put off"
SAME_KEY = "another delivery with the same key"
NEEDLESS = "needless: it could have run"
VAIN = "attempts whose worker fell silent"
OTHER = "handing over"
"""What is left: from one step to the next, and whatever nothing tells of."""

_LAST = (BACKOFF, PUT_OFF, SAME_KEY, VAIN)

_Span = tuple[datetime, datetime, str]


def on_the_path(trace: Trace, needless: Iterable[Idle]) -> Mapping[str, timedelta]:
    """Split the critical path by what went on, the longest first; the parts add up to it.

    Where several things went on at once, work goes first. What is needless goes before guards: a
    step is held until somebody takes it up again, also when people had agreed long before.
    """
    steps = trace.critical_path.steps
    if not steps:
        return {}
    names = {step.id for step in steps}
    spans = list(_spans(steps, trace.as_of, _put_off(trace)))
    spans += [(it.since, it.until, NEEDLESS) for it in needless if it.step.id in names]
    found = defaultdict[str, timedelta](timedelta)
    for since, until in trace.critical_path.spans:
        for kind, length in _partition(since, until, spans).items():
            found[kind] += length
    return _longest_first(found)


def in_all_steps(trace: Trace, needless: Iterable[Idle]) -> Mapping[str, timedelta]:
    """Add up what all steps waited, the longest first; steps that waited together count each."""
    put_off, by_step = _put_off(trace), defaultdict[str, list[_Span]](list)
    for it in needless:
        by_step[it.step.id].append((it.since, it.until, NEEDLESS))
    found = defaultdict[str, timedelta](timedelta)
    for step in trace.steps:
        spans = [*_spans([step], trace.as_of, put_off), *by_step[step.id]]
        if spans:
            first, last = min(since for since, _, _ in spans), max(until for _, until, _ in spans)
            for kind, length in _partition(first, last, spans).items():
                found[kind] += length
    for kind in (WORK, VAIN, OTHER):
        found.pop(kind, None)
    return _longest_first(found)


def guard_kind(hold: Hold) -> str:
    """Name the kind of waiting that a hold is."""
    if hold.guard.kind == asking.GUARD:
        return APPROVAL
    return PAUSE if hold.guard.kind in PAUSING else f"guard {hold.guard.kind}"


def _put_off(trace: Trace) -> Mapping[str, _Span]:
    """Tell by its id how long each event waited that was put off."""
    since = {it.id: it.at for it in trace.scheduled}
    events = (event for event in trace.events if event.id in since)
    return {event.id: (since[event.id], event.time, PUT_OFF) for event in events}


def _spans(steps: Sequence[Step], as_of: datetime, put_off: Mapping[str, _Span]) -> Iterator[_Span]:
    for step in steps:
        if step.event_id in put_off:
            yield put_off[step.event_id]
        for attempt, following in zip_longest(step.attempts, step.attempts[1:]):
            end = attempt.end or as_of
            vain = attempt.outcome == AttemptOutcome.TAKEN_OVER
            yield attempt.start, end, VAIN if vain else WORK
            if attempt.outcome == AttemptOutcome.RETRIED and attempt.due:
                yield end, min(attempt.due, following.start if following else as_of), BACKOFF
        for hold in step.holds:
            yield hold.since, hold.until or as_of, guard_kind(hold)
        for wait in step.key_waits:
            yield wait.since, wait.until or as_of, SAME_KEY


def _partition(began: datetime, ended: datetime, spans: Iterable[_Span]) -> Mapping[str, timedelta]:
    """Give each stretch of time to the first kind that covers it."""
    changes = [(began, 0, ""), (ended, 0, "")]
    for since, until, kind in spans:
        first, last = max(since, began), min(until, ended)
        if first < last:
            changes += [(first, 1, kind), (last, -1, kind)]
    changes.sort(key=lambda change: change[0])
    going_on, found = defaultdict[str, int](int), defaultdict[str, timedelta](timedelta)
    before = began
    for at, change, kind in changes:
        if at > before:
            found[_first(going_on)] += at - before
            before = at
        if kind:
            going_on[kind] += change
    return found


def _first(going_on: Mapping[str, int]) -> str:
    covering = [kind for kind, count in going_on.items() if count]
    for kind in (WORK, NEEDLESS):
        if kind in covering:
            return kind
    guards = sorted(kind for kind in covering if kind not in _LAST)
    if guards:
        return guards[0]
    return next((kind for kind in _LAST if kind in covering), OTHER)


def _longest_first(found: Mapping[str, timedelta]) -> Mapping[str, timedelta]:
    kept = ((kind, length) for kind, length in found.items() if length)
    return dict(sorted(kept, key=lambda each: (-each[1], each[0])))

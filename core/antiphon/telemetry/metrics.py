"""What this process counts and times for Prometheus, and the functions that do it.

Every label comes from what the process knows by itself: its handlers, the event types it has
classes for, words of the code. A correlation id is an exemplar, never a label.
`docs/reference/metrics.md` says what each one means.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from antiphon.telemetry.series import Timing
from antiphon_events import Failure, event_class, event_types

Ending = Literal["completed", "retrying", "died", "deferred", "released", "abandoned"]
"""How an attempt at a step ended."""

_VERDICTS = ("completed", "partial", "failed", "halted", "cancelled")
_ALARMING = {
    "approval": ("suppressed",),
    "breaker": ("suppressed",),
    "budget": ("suppressed",),
    "events": ("halted", "suppressed"),
    "hops": ("halted", "suppressed"),
    "staleness": ("suppressed",),
    "visits": ("halted", "suppressed"),
}
"""What guards decide that people want to hear of, by guard."""

_OTHER = "other"
"""Stands for all event types this process does not know: they are as many as somebody writes."""

_STEP_BUCKETS = (
    .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600,
)  # fmt: skip
_RECOVERY_BUCKETS = (
    .01, .05, .1, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400,
)  # fmt: skip
_DELAY_BUCKETS = (.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)  # fmt: skip

_CLOSED = Counter(
    "antiphon_recoveries_closed",
    "Recoveries that this process closed.",
    ["event_type", "verdict"],
)
_RECOVERY = Histogram(
    "antiphon_recovery_duration_seconds",
    "Time from the opening of a recovery until this process closed it.",
    ["verdict"],
    buckets=_RECOVERY_BUCKETS,
)
_STEP = Histogram(
    "antiphon_step_duration_seconds",
    "Time that attempts at steps took, without what was read and written for them.",
    ["group", "outcome"],
    buckets=_STEP_BUCKETS,
)
_FAILURES = Counter(
    "antiphon_step_failures", "Attempts at steps that failed, whatever followed.", ["group"]
)
_RETRIES = Counter(
    "antiphon_step_retries", "Attempts at steps that failed and are made again.", ["group"]
)
_DEAD = Counter("antiphon_dead_letters", "Deliveries that became dead letters.", ["group"])
_LOST = Counter(
    "antiphon_leases_lost",
    "Attempts at steps whose lease was lost to somebody else before they ended.",
    ["group"],
)
_TAKEN = Counter(
    "antiphon_deliveries_taken_over",
    "Deliveries taken over from a worker that had fallen silent.",
    ["group"],
)
_RUNNING = Gauge("antiphon_steps_running", "Steps under way in this process.", ["group"])
_PUBLISHED = Counter(
    "antiphon_events_published",
    "Events that handlers and publishers of this process published.",
    ["event_type"],
)
_DECISIONS = Counter(
    "antiphon_guard_decisions",
    "Decisions of guards other than to let a delivery run.",
    ["guard", "decision"],
)
_DELAY = Histogram(
    "antiphon_event_loop_delay_seconds",
    "How much later than asked for the event loop came to a task.",
    buckets=_DELAY_BUCKETS,
)
_SUCCESS = Gauge(
    "antiphon_duty_last_success_timestamp_seconds",
    "When a duty of this process last succeeded, by the clock of its machine.",
    ["duty"],
)
_DUTY_FAILURES = Counter(
    "antiphon_duty_failures", "Failures of a duty of this process.", ["duty"]
)  # fmt: skip


_running: defaultdict[str, int] = defaultdict(int)
_children: dict[tuple[object, ...], Counter] = {}
_recoveries: dict[str, Timing] = {}


class Steps:
    """The steps of one handler; its series are there from the start, at zero."""

    def __init__(self, group: str) -> None:
        _begin_at_zero()
        self._group = group
        _RUNNING.labels(group).set_function(lambda: _running[group])
        self._failures = _FAILURES.labels(group)
        self._retries = _RETRIES.labels(group)
        self._dead = _DEAD.labels(group)
        self._lost = _LOST.labels(group)
        self._taken = _TAKEN.labels(group)
        self._durations = {"completed": Timing(_STEP.labels(group, "completed"), _STEP_BUCKETS)}

    def began(self) -> None:
        """An attempt begins."""
        _running[self._group] += 1

    def taken_over(self) -> None:
        """It was another worker's, which fell silent."""
        self._taken.inc()

    def over(self) -> None:
        """The attempt is under way no more, however it ended."""
        _running[self._group] -= 1

    def ended(self, ending: Ending, seconds: float, correlation_id: str) -> None:
        """The attempt's outcome is written, or was found to be nobody's."""
        duration = self._durations.get(ending)
        if duration is None:
            duration = self._durations[ending] = Timing(
                _STEP.labels(self._group, ending), _STEP_BUCKETS
            )
        duration.observe(seconds, correlation_id)
        match ending:
            case "retrying":
                self._failures.inc()
                self._retries.inc()
            case "died":
                self._failures.inc()
                self._dead.inc()
            case "abandoned":
                self._lost.inc()
            case _:
                pass


def _begin_at_zero() -> None:
    """Show what alerts count before there is any: Prometheus sees no rise in a series that is new.

    The first recovery that is halted, or that fails, would go unnoticed.
    """
    for guard, decisions in _ALARMING.items():
        for decision in decisions:
            _DECISIONS.labels(guard, decision)
    failures = [name for name in event_types() if issubclass(event_class(name), Failure)]
    for verdict in _VERDICTS:
        _RECOVERY.labels(verdict)
        for event_type in (*failures, _OTHER):
            _child(_CLOSED, event_type, verdict)


def closed(event_type: str, verdict: str, seconds: float, correlation_id: str) -> None:
    """Count a recovery that was closed, by the type of the event that opened it."""
    _child(_CLOSED, event_type, verdict).inc()
    duration = _recoveries.get(verdict)
    if duration is None:
        duration = _recoveries[verdict] = Timing(_RECOVERY.labels(verdict), _RECOVERY_BUCKETS)
    duration.observe(seconds, correlation_id)


def published(event_type: str) -> None:
    """Count an event that was written to its stream."""
    _child(_PUBLISHED, event_type).inc()


def decided(guard: str, decision: str) -> None:
    """Count a decision; both words come from short lists, so that the series stay few."""
    _DECISIONS.labels(guard, decision).inc()


def loop_delayed(seconds: float) -> None:
    """Note how late the event loop was."""
    _DELAY.observe(seconds)


def duty_succeeded(duty: str) -> None:
    """Note that a duty was done."""
    _SUCCESS.labels(duty).set(time.time())
    _DUTY_FAILURES.labels(duty)  # begins at zero: else Prometheus misses the first rise


def duty_failed(duty: str) -> None:
    """Count a failure of a duty."""
    _DUTY_FAILURES.labels(duty).inc()


def _child(counter: Counter, event_type: str, *labels: str) -> Counter:
    """Find the series of an event type; looking it up anew costs more than counting."""
    key = (counter, event_type, *labels)
    child = _children.get(key)
    if child is None:
        known = event_type in event_types()
        child = counter.labels(event_type if known else _OTHER, *labels)
        if known:  # the others are without number
            _children[key] = child
    return child

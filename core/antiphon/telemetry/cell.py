"""What Prometheus is told of the cell: the newest survey, without asking anybody while it waits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from antiphon.survey import Survey

_FRESH_S = 60.0
"""How long a survey is told. What is older is no news of a cell, and a wrong alarm."""

_STATES = {"closed": "closed", "open": "open", "half_open": "half-open"}
"""What a breaker's state is called in a label, and by its script."""


class Cell(Collector):
    """Tells the survey it was given last."""

    def __init__(self) -> None:
        self._told: tuple[Survey, float, float] | None = None

    def update(self, survey: Survey) -> None:
        """Tell this one from now on."""
        self._told = survey, time.monotonic(), time.time()

    def clear(self) -> None:
        """Tell nothing any more."""
        self._told = None

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name what it tells."""
        return [*_families(None), _gauge("survey_timestamp_seconds", "")]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Tell the newest survey; of one that has aged, only when it was taken."""
        survey, since, taken_at = self._told or (None, 0.0, 0.0)
        yield from _families(survey if time.monotonic() - since < _FRESH_S else None)
        # By the clock of this machine, as timestamps of a process are: the server's may differ.
        taken = _gauge("survey_timestamp_seconds", "When the cell was surveyed last.")
        if survey is not None:
            taken.add_metric([], taken_at)
        yield taken


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"antiphon_{name}", text, labels=labels)


def _families(survey: Survey | None) -> Iterator[GaugeMetricFamily]:
    """All but the instant; without a survey, families without samples."""
    yield from _queues(survey)
    yield from _recoveries(survey)
    yield from _guards(survey)
    yield from _people(survey)


def _queues(survey: Survey | None) -> Iterator[GaugeMetricFamily]:
    place = ("group", "stream")
    lag = _gauge("queue_lag", "Entries of a stream that a group has not read.", *place)
    pending = _gauge("queue_pending", "Entries that a group has read and not settled.", *place)
    age = _gauge(
        "queue_oldest_pending_age_seconds",
        "Time since the oldest entry was written that a group has read and not settled.",
        *place,
    )
    letters = _gauge("dead_letters_kept", "Dead letters that are kept.", "group")
    for queue in survey.queues if survey else ():
        labels = [queue.group, queue.stream]
        if queue.lag is not None:
            lag.add_metric(labels, queue.lag)
        pending.add_metric(labels, queue.pending)
        age.add_metric(labels, queue.oldest_pending.total_seconds())
    for group, count in survey.dead_letters.items() if survey else ():
        letters.add_metric([group], count)
    yield from (lag, pending, age, letters)


def _recoveries(survey: Survey | None) -> Iterator[GaugeMetricFamily]:
    how_many = _gauge("recoveries_open", "Recoveries that are open.")
    stalled = _gauge("recoveries_stalled", "Open recoveries that are past their deadline.")
    age = _gauge("recoveries_oldest_open_age_seconds", "Time since the oldest of them was opened.")
    if survey is not None:
        how_many.add_metric([], survey.open)
        stalled.add_metric([], survey.stalled)
        age.add_metric([], survey.oldest_open.total_seconds())
    yield from (how_many, stalled, age)


def _guards(survey: Survey | None) -> Iterator[GaugeMetricFamily]:
    state = _gauge("breaker_state", "1 for the state a circuit breaker is in.", "name", "state")
    away = _gauge("breaker_open_seconds", "Time for which a breaker has not been closed.", "name")
    used = _gauge(
        "guard_used", "What a relapse guard, budget or rate has counted.", "guard", "name"
    )
    limit = _gauge("guard_limit", "What a relapse guard, budget or rate allows.", "guard", "name")
    unlisted = _gauge("guards_unlisted", "Guards too many to be listed.")
    for circuit in survey.circuits if survey else ():
        for label, word in _STATES.items():
            state.add_metric([circuit.name, label], float(circuit.state == word))
        away.add_metric([circuit.name], circuit.away.total_seconds())
    for use in survey.uses if survey else ():
        used.add_metric([use.guard, use.name], use.used)
        limit.add_metric([use.guard, use.name], use.limit)
    if survey is not None:
        unlisted.add_metric([], survey.unlisted)
    yield from (state, away, used, limit, unlisted)


def _people(survey: Survey | None) -> Iterator[GaugeMetricFamily]:
    told = _gauge("escalations_unacknowledged", "Escalations that nobody has acknowledged.", "tier")
    age = _gauge(
        "escalation_oldest_unacknowledged_age_seconds",
        "Time since people were told of the escalation that waits longest.",
    )
    approvals = _gauge("approvals_pending", "Requests for approval that wait for an answer.")
    pauses = _gauge("pauses", "Parts of the cell that are paused.")
    for tier, count in survey.unacknowledged.items() if survey else ():
        told.add_metric([str(tier)], count)
    if survey is not None:
        age.add_metric([], survey.oldest_unacknowledged.total_seconds())
        approvals.add_metric([], survey.approvals)
        pauses.add_metric([], survey.pauses)
    yield from (told, age, approvals, pauses)


CELL = Cell()
"""The cell of this process; it is in the default registry."""

REGISTRY.register(CELL)

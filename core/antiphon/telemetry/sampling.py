"""Which traces are recorded: all while few begin, and a share of them while many do.

A storm of recoveries is to be got over, and not to be made worse by watching it. As Jaeger's
rate-limiting sampler and the reservoir of AWS X-Ray do, this lets so many traces a second through
whatever they are, and beyond that a share; unlike them it chooses by the trace id, as
`TraceIdRatioBased` does, so that processes which see the same load choose the same traces.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState

from antiphon.telemetry.origins import OURS

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

TRACES_PER_SECOND = 20
"""How many traces may begin in each process until a share of them is recorded."""

_REMEMBERED = 4096
"""Of how many traces is known what was said, for those who ask again."""


def sampler() -> Sampler:
    """What decides for `antiphon run` unless OTEL_TRACES_SAMPLER says otherwise."""
    return ParentBased(root=RateBounded())


class RateBounded(Sampler):
    """Decides on traces that begin, by how many of them do.

    Their rate is a count in which each weighs less the longer ago it was: after a second a third.
    So a burst fills it at once, and a storm that has passed is forgotten within seconds.

    Args:
        per_second: how many traces a second are recorded, all of them if no more begin.
        clock: tells seconds, and never goes back.
    """

    def __init__(
        self, per_second: float = TRACES_PER_SECOND, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._begun, self._counted = 0.0, clock()
        self._said: OrderedDict[int, bool] = OrderedDict()

    def should_sample(  # noqa: PLR0917 - OpenTelemetry's signature
        self,
        parent_context: Context | None,  # noqa: ARG002 - as above, and so below
        trace_id: int,
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,  # noqa: ARG002
    ) -> SamplingResult:
        """Decide on a trace, once: who asks again, as each handler of one event may, is told so."""
        with self._lock:
            chosen = self._said.get(trace_id)
            if chosen is None:
                bound = TraceIdRatioBased.get_bound_for_rate(self._share())
                chosen = trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < bound
                self._said[trace_id] = chosen
                if len(self._said) > _REMEMBERED:
                    self._said.popitem(last=False)
        if not chosen:
            return SamplingResult(Decision.DROP)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        """Name it, and its limit."""
        return f"{OURS}{{{self._per_second}}}"

    def _share(self) -> float:
        """Count one more trace, and say which share of such as it is to be recorded."""
        now = self._clock()
        self._begun = self._begun * math.exp(self._counted - now) + 1
        self._counted = now
        return min(1.0, self._per_second / self._begun)

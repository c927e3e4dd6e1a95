"""Large recoveries: one of very many events, and one whose join has very many branches."""

from __future__ import annotations

from antiphon import Joined, Service, Settings, all_of
from antiphon_benchmarks.plan import LARGE, Plan
from antiphon_events import CacheWarmed, Event, ServiceFailed, ServiceRecovered

#: Chains that a long recovery goes along at the same time.
LANES = 10
LIMITS = {"max_hops": 1_000_000, "max_events": 1_000_000, "max_visits": 1_000_000}


class StepTaken(Event):
    """One of very many steps was taken."""

    type = LARGE["long"]

    left: int = 0
    """How many follow in its lane."""


def large_service(plan: Plan, settings: Settings) -> Service:
    """Build the service of a plan; its size is its number of handlers."""
    service = Service("shop", settings=settings)
    if plan.name == "long":
        _walk(service, plan.handlers // LANES)
    else:
        _gather(service, plan.handlers)
    return service


def _walk(service: Service, length: int) -> None:
    @service.on(ServiceFailed.about())
    async def begin(_: ServiceFailed) -> list[StepTaken]:
        return [StepTaken(subject=f"lane-{lane}", left=length - 1) for lane in range(LANES)]

    @service.on(StepTaken.about())
    async def go_on(taken: StepTaken) -> StepTaken | None:
        return StepTaken(subject=taken.subject, left=taken.left - 1) if taken.left else None


def _gather(service: Service, branches: int) -> None:
    names = [f"cache-{number}" for number in range(branches)]

    @service.on(ServiceFailed.about())
    async def begin(_: ServiceFailed) -> list[CacheWarmed]:
        return [CacheWarmed(subject=name) for name in names]

    @service.on(all_of(*(CacheWarmed.about(name) for name in names)), within="1h")
    async def gather(joined: Joined) -> ServiceRecovered:
        return ServiceRecovered(subject="shop", downtime_ms=len(joined))

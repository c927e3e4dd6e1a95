"""Antiphon as a user runs it: default guards, the ledger written, two JSON log lines a delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from antiphon import Publisher, Quota, Service, Settings
from antiphon.telemetry.logging import configure
from antiphon_benchmarks.contenders.contender import Publish
from antiphon_benchmarks.failure import REASON
from antiphon_benchmarks.large import LIMITS, large_service
from antiphon_benchmarks.plan import CHAIN, HOP, LARGE, Plan
from antiphon_events import (
    CacheWarmed,
    DatabaseRestored,
    Failure,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
    ServiceUnhealthy,
)

CELL = "bench"


def stream(event_type: str) -> str:
    """Return the key of the stream that carries a type."""
    return f"{{{CELL}}}:events:{event_type}"


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build a service with a handler for each hop, or many for the same one."""
    return service(url, plan).app.run


def service(url: str, plan: Plan, **guards: Any) -> Service:
    """Build the service; a plan of one hop may ask for guards."""
    if plan.name in LARGE:
        return large_service(plan, _settings(url, **LIMITS))
    service = Service("shop", settings=_settings(url))
    if plan.name == CHAIN.name:
        _answer_in_a_chain(service)
    else:
        for number in range(plan.handlers):
            _answer_at_once(service, f"recover_{number}", guards)
    return service


@asynccontextmanager
async def publisher(url: str, plan: Plan) -> AsyncIterator[Publish]:
    """Publish concurrently, as a program with much to report would."""
    configure(level="warning")  # the driver's terminal is for results
    failure: type[Failure] = ServiceFailed if plan.first == HOP.first else ServiceUnhealthy
    async with Publisher(_settings(url)) as publisher:

        async def publish(subjects: Sequence[str]) -> None:
            failures = (failure(subject=subject, reason=REASON) for subject in subjects)
            await asyncio.gather(*map(publisher.publish, failures))

        yield publish


def _settings(url: str, **limits: Any) -> Settings:
    # A backlog of so many subjects is a storm to any brake that would ever engage.
    storm = Quota(100_000, per="1m")
    return Settings(redis_url=url, cell=CELL, concurrency=100, storm=storm, **limits)


def _answer_at_once(service: Service, name: str, guards: dict[str, Any]) -> None:
    async def recover(failed: ServiceFailed) -> ServiceRecovered:
        return ServiceRecovered(subject=failed.subject)

    recover.__name__ = name
    service.on(ServiceFailed.about(), **guards)(recover)


def _answer_in_a_chain(service: Service) -> None:
    @service.on(ServiceUnhealthy.about())
    async def confirm(unhealthy: ServiceUnhealthy) -> ServiceFailed:
        return ServiceFailed(subject=unhealthy.subject, reason=unhealthy.reason)

    @service.on(ServiceFailed.about())
    async def restore(failed: ServiceFailed) -> DatabaseRestored:
        return DatabaseRestored(subject=failed.subject)

    @service.on(DatabaseRestored.about())
    async def warm(restored: DatabaseRestored) -> CacheWarmed:
        return CacheWarmed(subject=restored.subject)

    @service.on(CacheWarmed.about())
    async def restart(warmed: CacheWarmed) -> ServiceRestarted:
        return ServiceRestarted(subject=warmed.subject)

    @service.on(ServiceRestarted.about())
    async def verify(restarted: ServiceRestarted) -> ServiceRecovered:
        return ServiceRecovered(subject=restarted.subject)

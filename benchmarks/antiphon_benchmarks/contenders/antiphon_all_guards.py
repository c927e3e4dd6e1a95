"""Antiphon with every guard a handler can ask for, none of which ever refuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antiphon import Breaker, Budget
from antiphon_benchmarks.contenders.antiphon import publisher, service, stream
from antiphon_benchmarks.plan import Plan

__all__ = ["publisher", "stream", "worker"]


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build the service with a budget, a rate, a breaker and a resource, each of the subject."""
    return service(
        url,
        plan,
        budget=Budget(1_000, per="10m"),
        rate="100000/1s",
        breaker=Breaker("{subject}"),
        exclusive=True,
    ).app.run

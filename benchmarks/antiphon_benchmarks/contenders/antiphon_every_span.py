"""Antiphon with metrics that are scraped, and every span exported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antiphon_benchmarks.contenders.antiphon import publisher, service, stream
from antiphon_benchmarks.plan import Plan
from antiphon_benchmarks.watched import exported

__all__ = ["publisher", "stream", "worker"]


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build the service as `antiphon run` does when it is told to record all."""
    return exported(service(url, plan), "parentbased_always_on")

"""Antiphon with metrics that are scraped, and spans exported, of as many recoveries as usual."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antiphon_benchmarks.contenders.antiphon import publisher, service, stream
from antiphon_benchmarks.plan import Plan
from antiphon_benchmarks.watched import exported

__all__ = ["publisher", "stream", "worker"]


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build the service as `antiphon run` does when a collector is named."""
    return exported(service(url, plan))

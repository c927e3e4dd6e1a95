"""Antiphon with its metrics served, and scraped by another process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antiphon_benchmarks.contenders.antiphon import publisher, service, stream
from antiphon_benchmarks.plan import Plan
from antiphon_benchmarks.watched import scraped

__all__ = ["publisher", "stream", "worker"]


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build the service as `antiphon run` does."""
    return scraped(service(url, plan))

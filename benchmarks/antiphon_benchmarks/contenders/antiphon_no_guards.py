"""Antiphon without the guards: only idempotency keys and fencing are left.

There is no such setting; the guards are taken out of what the worker asks the server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antiphon.broker.asks import Asks
from antiphon_benchmarks.contenders.antiphon import publisher, service, stream
from antiphon_benchmarks.plan import Plan

__all__ = ["publisher", "stream", "worker"]


def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
    """Build the service, and ask for no limits."""
    usual = Asks.__init__

    def without(asks: Asks, *given: object) -> None:
        usual(asks, *given)  # type: ignore[arg-type]  # passed on as they came
        asks.limits = ""

    Asks.__init__ = without  # type: ignore[assignment, method-assign]
    return service(url, plan).app.run

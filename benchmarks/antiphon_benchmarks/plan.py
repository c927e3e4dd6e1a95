"""The plan of a run: which event types answer which, and how many handlers answer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Plan:
    """A line of event types, each answered with the next.

    Attributes:
        name: What the worker process is told to build.
        steps: Event types in order; a plan of n types makes n - 1 hops.
        handlers: Consumer groups on the first type; of a large recovery, its size.
    """

    name: str
    steps: tuple[str, ...]
    handlers: int = 1

    @property
    def first(self) -> str:
        """The type that is published from outside."""
        return self.steps[0]

    @property
    def last(self) -> str:
        """The type that ends a recovery."""
        return self.steps[-1]

    @property
    def groups(self) -> int:
        """How many consumer groups each type has."""
        return 1 if self.name in LARGE else self.handlers

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Every hop as (type read, type published)."""
        return tuple(pairwise(self.steps))


HOP = Plan("hop", ("service.failed", "service.recovered"))

CHAIN = Plan(
    "chain",
    (
        "service.unhealthy",
        "service.failed",
        "database.restored",
        "cache.warmed",
        "service.restarted",
        "service.recovered",
    ),
)


def idle(handlers: int) -> Plan:
    """Return a plan of many handlers that wait for the same type."""
    return Plan("idle", HOP.steps, handlers)


LARGE = {"long": "bench.step", "wide": "cache.warmed"}
"""Plans of one large recovery, and the type of which it has so many events."""


def large(name: str, size: int) -> Plan:
    """Return a plan of one recovery of that size."""
    return Plan(name, ("service.failed", LARGE[name]), size)


def plan_named(name: str, handlers: int) -> Plan:
    """Return the plan a worker process was told to build.

    Raises:
        ValueError: There is no such plan.
    """
    plans = {HOP.name: HOP, CHAIN.name: CHAIN, "idle": idle(handlers)}
    if name in LARGE:
        return large(name, handlers)
    if name not in plans:
        raise ValueError(f"no plan {name!r}: take one of {', '.join(plans)}, {', '.join(LARGE)}")
    return plans[name]

"""A contender: one way to answer events, behind one protocol."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol, cast

from antiphon_benchmarks.plan import Plan

#: Publishes one failure about each subject, and returns when all are stored.
Publish = Callable[[Sequence[str]], Awaitable[None]]


class Contender(Protocol):
    """One way to answer events; a module-level function for each part."""

    @staticmethod
    def stream(event_type: str) -> str:
        """Return the key of the stream that carries a type."""

    @staticmethod
    def worker(url: str, plan: Plan) -> Callable[[], Awaitable[None]]:
        """Build everything a worker needs, and return what runs it until SIGTERM."""

    @staticmethod
    def publisher(url: str, plan: Plan) -> AbstractAsyncContextManager[Publish]:
        """Open the contender's own way to publish the plan's first type."""


class Name(StrEnum):
    """The contenders, by the name of their module."""

    ANTIPHON = "antiphon"
    ANTIPHON_NO_GUARDS = "antiphon-no-guards"
    ANTIPHON_ALL_GUARDS = "antiphon-all-guards"
    ANTIPHON_NO_TELEMETRY = "antiphon-no-telemetry"
    ANTIPHON_METRICS = "antiphon-metrics"
    ANTIPHON_ALL_TELEMETRY = "antiphon-all-telemetry"
    ANTIPHON_EVERY_SPAN = "antiphon-every-span"
    FASTSTREAM = "faststream"
    FASTSTREAM_BATCH = "faststream-batch"
    LOOP = "loop"


RIVALS = (Name.ANTIPHON, Name.FASTSTREAM, Name.FASTSTREAM_BATCH, Name.LOOP)
"""Those that are measured unless others are asked for."""

OBSERVED = (
    Name.ANTIPHON_ALL_TELEMETRY,
    Name.ANTIPHON_EVERY_SPAN,
    Name.ANTIPHON_METRICS,
    Name.ANTIPHON_NO_TELEMETRY,
)
"""Those that differ in what they tell of themselves."""


def contender(name: Name) -> Contender:
    """Load one contender, and none of the libraries of its rivals."""
    module = importlib.import_module(f"antiphon_benchmarks.contenders.{name.replace('-', '_')}")
    return cast("Contender", module)

"""Choreographies under examination: what is found in some services, and handlers to find it in."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from antiphon import Service
from antiphon.choreography import Choreography, Finding, examine
from antiphon_events import Event


def found(*services: Service) -> list[Finding]:
    return list(examine(Choreography.of(*services)))


def codes(*services: Service) -> list[tuple[str, str]]:
    """What is found and not accepted: code and handler."""
    return [(str(one.code), one.group) for one in found(*services) if one.accepted is None]


def line_of(function: Callable[..., Any]) -> int:
    return inspect.getsourcelines(function)[1]


async def fine(event: Event) -> None:
    """Publish nothing."""


def named(name: str) -> Callable[..., Any]:
    """A handler of this name that publishes nothing."""

    async def handler(event: Event) -> None: ...

    handler.__name__ = name
    return handler

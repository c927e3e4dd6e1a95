"""The five models by name, and what the runner knows of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from antiphon import Service
from examples import event_driven, hybrid, parallel, sequential, state_machine


@dataclass(frozen=True, slots=True)
class Model:
    """One way to write the recovery."""

    title: str
    services: tuple[Service, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


MODELS: Mapping[str, Model] = {
    "sequential": Model("sequential", sequential.SERVICES),
    "parallel": Model("parallel", parallel.SERVICES),
    "state_machine": Model("state machine", state_machine.SERVICES, state_machine.SETTINGS),
    "event_driven": Model("event-driven", event_driven.SERVICES),
    "hybrid": Model("hybrid", hybrid.SERVICES),
}

"""The aim: a goal of a service, as the checks see it."""

from __future__ import annotations

from dataclasses import dataclass

from antiphon.choreography.part import Trigger, trigger_of
from antiphon.flow.goal import Goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """From every event of one kind, an event of another should follow."""

    service: str
    """Who declares it."""
    file: str
    line: int
    failure: Trigger
    completion: Trigger

    def __str__(self) -> str:
        return f"{self.completion} from {self.failure}"


def aim_of(goal: Goal) -> Aim:
    """Read a goal."""
    file, _, line = goal.location.rpartition(":")
    return Aim(
        service=goal.service,
        file=file,
        line=int(line),
        failure=trigger_of(goal.failure),
        completion=trigger_of(goal.completion),
    )

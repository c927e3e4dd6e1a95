"""State machines that work one cell: each example has a cell and a clock of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from redis import Redis

from antiphon.broker.errand import Errand
from antiphon.settings import Settings
from guarded import GuardedCell, clock_to_set
from leaks import immortal_keys, keys_of

T = TypeVar("T")

REPLICAS = ("one", "two", "three", "four", "five")


def pick_of(choices: Sequence[T], pick: int) -> T:
    return choices[pick % len(choices)]


class CellMachine(RuleBasedStateMachine):
    """Does steps to a cell of its own, with the clock standing still between them."""

    redis_url: ClassVar[str]
    inspector: ClassVar[Redis]
    numbers: ClassVar[itertools.count[int]] = itertools.count(1)
    chosen: ClassVar[dict[str, Any]] = {}
    """Settings other than the defaults."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = f"machine-{os.getpid()}-{next(self.numbers)}"
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        chosen = Settings(redis_url=self.redis_url, cell=self.cell, **self.chosen)
        errand = self.do(self.stack.enter_async_context(Errand.begin(chosen)))
        self.work = GuardedCell(errand)
        self.do(self.work.passes(0))

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(step)

    def teardown(self) -> None:
        """Whatever was done, nothing is left that never expires."""
        try:
            assert not immortal_keys(self.inspector, self.cell)
        finally:
            self.do(self.stack.aclose())
            self.runner.close()
            if keys := keys_of(self.inspector, self.cell):
                self.inspector.unlink(*keys)


def run_machine(machine: type[CellMachine], redis_url: str, *, examples: int, steps: int) -> None:
    """Let Hypothesis draw the steps of a machine."""
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    with Redis.from_url(redis_url, decode_responses=True) as inspector, clock_to_set():
        machine.redis_url, machine.inspector = redis_url, inspector
        run_state_machine_as_test(machine, settings=profile)

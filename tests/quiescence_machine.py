"""A state machine that draws what happens to a cell; a driver does it, to the cell and to a model.

It plays publishers, foreign programs, workers that crash, stop, retry and repeat their calls,
groups that are lost and groups that come late; after every step the cell equals the model.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from antiphon import Settings, all_of
from antiphon.broker.errand import Errand
from antiphon.handler import Handler
from antiphon_events import CacheWarmed, DatabaseRestored, Event, ServiceFailed
from leaks import immortal_keys, keys_of
from quiescence_driver import Driver
from quiescence_model import End
from scripted import ALICE, BOB, ScriptedCell, handler

T = TypeVar("T")

LATE = handler(CacheWarmed.about("a"), ServiceFailed.about("c"), name="late.comer")
FIRST = (
    handler(ServiceFailed.about("a", "b"), name="orders.restore"),
    handler(ServiceFailed, name="pager.page"),
    handler(DatabaseRestored, name="cache.warm"),
    handler(DatabaseRestored, ServiceFailed.about("b"), name="web.once", key="{subject}"),
    handler(all_of(DatabaseRestored, CacheWarmed), name="web.reopen"),
)

MOST_ENTRIES = 8
"""Written from outside in one example: with more, its steps would go into reading."""

SEED = int(os.environ.get("QUIESCENCE_SEED") or random.SystemRandom().randrange(2**32))
"""Given when a failure is to be repeated."""

kinds = st.sampled_from([ServiceFailed, DatabaseRestored, CacheWarmed])
events = st.builds(lambda kind, subject: kind(subject=subject), kinds, st.sampled_from("abc"))
consumers = st.sampled_from([ALICE, BOB])
picks = st.integers(0, 1000)
coins = st.booleans()
ends = st.sampled_from(End)
answers = st.lists(events, max_size=3)


def explore(machine: type[Quiescence], redis_url: str, *, examples: int, steps: int) -> None:
    """Run a machine; the environment may ask for more examples, and for those of a seed."""
    print(f"QUIESCENCE_SEED={SEED}")  # noqa: T201  to be given when a failure is to be repeated
    profile = settings(
        max_examples=int(os.environ.get("QUIESCENCE_EXAMPLES") or examples),
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    with Redis.from_url(redis_url, decode_responses=True) as inspector:
        machine.redis_url, machine.inspector = redis_url, inspector
        run_state_machine_as_test(seed(SEED)(machine), settings=profile)


def pick_of(choices: Sequence[T], pick: int) -> T:
    return choices[pick % len(choices)]


class Quiescence(RuleBasedStateMachine):
    """Draws the steps; the driver does them."""

    redis_url: ClassVar[str]
    inspector: ClassVar[Redis]
    numbers: ClassVar[itertools.count[int]] = itertools.count(1)
    first: ClassVar[Sequence[Handler]] = FIRST
    late: ClassVar[Handler] = LATE
    chosen: ClassVar[dict[str, Any]] = {}
    """Settings of the machine's own."""
    driver: Driver

    def __init__(self) -> None:
        super().__init__()
        self.cell = f"quiescence-{os.getpid()}-{next(self.numbers)}"
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        # The limits of a recovery have models of their own; here they are out of reach.
        chosen = Settings(
            redis_url=self.redis_url,
            cell=self.cell,
            max_visits=1000,
            max_hops=1000,
            max_events=1000,
            storm=None,
            **self.chosen,
        )
        self.begin(self.do(self.stack.enter_async_context(Errand.begin(chosen))))

    def begin(self, errand: Errand) -> None:
        self.driver = Driver(ScriptedCell(errand))

    def do(self, step: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(step)

    def correlation(self, pick: int | None) -> str:
        known = self.driver.outside
        return "" if pick is None or not known else pick_of(known, pick)

    @initialize()
    def deploy_the_first(self) -> None:
        for h in self.first:
            self.do(self.driver.deploy(h))

    @precondition(lambda self: self.driver.written < MOST_ENTRIES)
    @rule(event=events, joins=st.none() | picks, twice=coins)
    def publish(self, event: Event, joins: int | None, *, twice: bool) -> None:
        self.do(self.driver.publish(event, self.correlation(joins), twice=twice))

    @precondition(lambda self: self.driver.written < MOST_ENTRIES)
    @rule(event=events, joins=st.none() | picks)
    def write_behind_our_back(self, event: Event, joins: int | None) -> None:
        self.do(self.driver.write(event, self.correlation(joins)))

    @precondition(lambda self: self.driver.unread())
    @rule(pick=picks, consumer=consumers, count=st.integers(1, 3))
    def read(self, pick: int, consumer: str, count: int) -> None:
        self.do(self.driver.read(pick_of(self.driver.unread(), pick), consumer, count))

    @precondition(lambda self: self.driver.unread())
    @rule(pick=picks, consumer=consumers)
    def read_and_begin(self, pick: int, consumer: str) -> None:
        self.do(self.driver.read(pick_of(self.driver.unread(), pick), consumer, 3))
        for member in self.driver.to_begin():
            self.do(self.driver.admit(member))

    @precondition(lambda self: self.driver.to_admit())
    @rule(pick=picks, twice=coins)
    def admit(self, pick: int, *, twice: bool) -> None:
        self.do(self.driver.admit(pick_of(self.driver.to_admit(), pick), twice=twice))

    @precondition(lambda self: self.driver.to_skip())
    @rule(pick=picks)
    def skip(self, pick: int) -> None:
        self.do(self.driver.skip(pick_of(self.driver.to_skip(), pick)))

    @precondition(lambda self: self.driver.living())
    @rule(pick=picks, answers=answers, twice=coins)
    def commit(self, pick: int, answers: list[Event], *, twice: bool) -> None:
        self.do(self.driver.commit(pick_of(self.driver.living(), pick), answers, twice=twice))

    @precondition(lambda self: self.driver.living())
    @rule()
    def commit_all(self) -> None:
        while living := self.driver.living():
            self.do(self.driver.commit(living[0], ()))

    @precondition(lambda self: self.driver.living())
    @rule(pick=picks, end=ends, twice=coins)
    def end_otherwise(self, pick: int, end: End, *, twice: bool) -> None:
        self.do(self.driver.end(pick_of(self.driver.living(), pick), end, twice=twice))

    @precondition(lambda self: self.driver.living())
    @rule(pick=picks, end=ends)
    def end_after_another_took_over(self, pick: int, end: End) -> None:
        grip = pick_of(self.driver.living(), pick)
        other = BOB if grip.consumer == ALICE else ALICE
        self.do(self.driver.claim(grip.delivery.handler, other))
        self.do(self.driver.end(grip, end))

    @precondition(lambda self: self.driver.grips)
    @rule(pick=picks, end=ends)
    def end_perhaps_too_late(self, pick: int, end: End) -> None:
        self.do(self.driver.end(pick_of(self.driver.grips, pick), end))

    @precondition(lambda self: self.driver.model.due)
    @rule(pick=picks, consumer=consumers, hasten=coins)
    def take_up_what_is_due(self, pick: int, consumer: str, *, hasten: bool) -> None:
        h = pick_of(self.driver.groups_of(self.driver.model.due), pick)
        self.do(self.driver.take_due(h, consumer, hasten=hasten))

    @precondition(lambda self: self.driver.model.pending)
    @rule(pick=picks, consumer=consumers)
    def take_over(self, pick: int, consumer: str) -> None:
        h = pick_of(self.driver.groups_of(self.driver.model.pending), pick)
        self.do(self.driver.claim(h, consumer))

    @precondition(lambda self: self.driver.letters)
    @rule(pick=picks)
    def replay(self, pick: int) -> None:
        self.do(self.driver.replay(pick % len(self.driver.letters)))

    @rule(kind=st.integers(0, 4), pick=picks, coin=coins)
    def something_rare(self, kind: int, pick: int, *, coin: bool) -> None:
        driver = self.driver
        match kind:
            case 0 if self.late not in driver.model.deployed:
                self.do(driver.deploy(self.late))
            case 1:
                h = pick_of(driver.model.deployed, pick)
                self.do(driver.lose(h, pick_of(list(h.kinds), pick)))
            case 2 if driver.held:
                self.do(driver.admit_as_another(pick_of(list(driver.held), pick)))
            case 3 if driver.unheard():
                self.do(driver.give_up(*pick_of(driver.unheard(), pick), fault=coin))
            case _:
                self.do(driver.audit())

    @invariant()
    def the_cell_is_as_the_model(self) -> None:
        self.do(self.driver.compare())

    def teardown(self) -> None:
        """After a quiet time everything is done, and everything agrees."""
        try:
            self.do(self.driver.compare_all())
            self.do(self.driver.audit())
            self.do(self.driver.drain())
            self.do(self.driver.compare_all())
            assert not immortal_keys(self.inspector, self.cell)
        finally:
            self.do(self.stack.aclose())
            self.runner.close()
            if keys := keys_of(self.inspector, self.cell):
                self.inspector.unlink(*keys)

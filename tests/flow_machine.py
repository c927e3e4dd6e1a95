"""The state machine of the flow: what `quiescence_machine` draws, and timers and people beside it.

Delayed events, joins that time out, races, deaths that branch, cancelling, undoing, children,
approvals and deadlines, at any moment and in any order.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from antiphon import Approval, all_of, any_of
from antiphon.broker.errand import Errand
from antiphon.handler import Handler
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    Event,
    Failure,
    JoinTimedOut,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
    StepFailed,
)
from flow_driver import PEOPLE, FlowDriver
from flowing import FlowCell, undone
from quiescence_machine import MOST_ENTRIES, Quiescence, coins, consumers, pick_of, picks
from scripted import handler


class RestoreGivenUp(Failure):
    """A restore was given up."""

    type = "restore.given_up"


HEARD = handler(StepFailed, name="late.hear")
FLOW = (
    handler(
        ServiceFailed, DatabaseFailed, name="orders.restore", undo=undone,
        brings=DatabaseRestored, on_failure=RestoreGivenUp,
    ),
    handler(DatabaseRestored, name="cache.warm", undo=undone, brings=CacheWarmed),
    handler(ServiceFailed.about("a"), name="pager.page", key="{subject}"),
    handler(all_of(DatabaseRestored, CacheWarmed), name="web.reopen", within="1h", undo=undone),
    handler(any_of(CacheWarmed, DatabaseRestored, losers="cancel"), name="web.first"),
    handler(RestoreGivenUp.about("a"), name="db.promote"),
    handler(JoinTimedOut.about("a", "b"), name="web.wait"),
    handler(ChildClosed.about("a"), name="web.part"),
    handler(CacheLost, name="cache.refill", undo=undone),
    handler(
        CacheWarmed.about("a"), name="gate.tiers",
        approval=Approval(("ana",), then=[("ben",)], within="1h"),
    ),
    handler(
        CacheLost, name="gate.two",
        approval=Approval(quorum=2, within="1h", otherwise="deny"), undo=undone,
    ),
    handler(
        DatabaseFailed, name="gate.open", key="{subject}",
        approval=Approval(("ana", "cleo"), within="1h", otherwise="proceed"),
    ),
)  # fmt: skip
"""Nobody hears `ServiceRestarted`."""

MOST_CANCELS = 2
"""In one example: with more, nothing much would happen in it."""

ROOTS = (ServiceFailed, DatabaseFailed, CacheLost, ServiceRestarted)
FACTS = (DatabaseRestored, CacheWarmed, ServiceRecovered, ServiceFailed)

subjects = st.sampled_from("ab")
roots = st.builds(lambda kind, subject: kind(subject=subject), st.sampled_from(ROOTS), subjects)
facts = st.builds(lambda kind, subject: kind(subject=subject), st.sampled_from(FACTS), subjects)
few = st.lists(facts, max_size=2)
Turn = tuple[tuple[int, str], list[Event], list[Event], list[Event]]
endings = st.tuples(picks, st.sampled_from(["finish", "finish", "die"]))
turns = st.tuples(endings, few, st.lists(facts, max_size=1), st.lists(roots, max_size=1))


class FlowQuiescence(Quiescence):
    """Draws the steps of the flow as well."""

    first: ClassVar[Any] = FLOW
    late: ClassVar[Handler] = HEARD
    chosen: ClassVar[dict[str, Any]] = {
        "deadline": timedelta(hours=1),
        "recoveries": {DatabaseFailed.type: {"partial": "accept"}},
    }
    driver: FlowDriver

    def begin(self, errand: Errand) -> None:
        self.driver, self.cancels = FlowDriver(FlowCell(errand)), 0
        self.driver.model.accepting.add(DatabaseFailed.type)

    def correlation(self, pick: int | None) -> str:
        known = self.driver.known()
        return "" if pick is None or not known else pick_of(known, pick)

    @precondition(lambda self: self.driver.written < MOST_ENTRIES)
    @rule(event=st.one_of(roots, facts), joins=st.none() | picks, twice=coins)
    def publish(self, event: Event, joins: int | None, *, twice: bool) -> None:
        self.do(self.driver.publish(event, self.correlation(joins), twice=twice))

    @precondition(lambda self: self.driver.written < MOST_ENTRIES)
    @rule(event=st.one_of(roots, facts), joins=st.none() | picks)
    def write_behind_our_back(self, event: Event, joins: int | None) -> None:
        self.do(self.driver.write(event, self.correlation(joins)))

    @precondition(lambda self: self.driver.living())
    @rule(pick=picks, answers=few, later=few, starts=st.lists(roots, max_size=1), twice=coins)
    def commit(
        self, pick: int, answers: list[Event], later: list[Event], starts: list[Event], *,
        twice: bool,
    ) -> None:  # fmt: skip
        grip = pick_of(self.driver.living(), pick)
        self.do(self.driver.finish(grip, answers, later, starts, twice=twice))

    @precondition(lambda self: self.driver.unwanted())
    @rule(pick=picks)
    def skip(self, pick: int) -> None:
        self.do(self.driver.skip(pick_of(self.driver.unwanted(), pick)))

    @precondition(lambda self: self.driver.unread() or self.driver.living())
    @rule(consumer=consumers, turns=st.lists(turns, min_size=1, max_size=6))
    def work_a_while(self, consumer: str, turns: list[Turn]) -> None:
        """Read and begin everything, and end some of it."""
        for h in self.driver.unread():
            self.do(self.driver.read(h, consumer, 3))
        for member in self.driver.to_begin():
            self.do(self.driver.admit(member))
        self.end(turns)

    def end(self, turns: list[Turn]) -> None:
        for (pick, how), answers, later, starts in turns:
            if not (living := self.driver.living()):
                break
            if how == "die":
                self.do(self.driver.bury(pick_of(living, pick), twice=False))
            else:
                self.do(self.driver.finish(pick_of(living, pick), answers, later, starts))

    @precondition(lambda self: self.driver.model.timers)
    @rule(pick=st.none() | picks, two=coins)
    def ring(self, pick: int | None, *, two: bool) -> None:
        if pick is not None:
            self.do(self.driver.hasten(pick_of(list(self.driver.model.timers), pick)))
        self.do(self.driver.ring(two=two))

    @precondition(lambda self: any(self.driver.model.due.values()))
    @rule(consumer=consumers, turns=st.lists(turns, max_size=2))
    def take_up_and_begin(self, consumer: str, turns: list[Turn]) -> None:
        due = [member for member, come in self.driver.model.due.items() if come]
        for h in self.driver.groups_of(due):
            self.do(self.driver.take_due(h, consumer, hasten=False))
        for member in due:
            if member in self.driver.to_admit():
                self.do(self.driver.admit(member))
        self.end(turns)

    @precondition(lambda self: self.cancels < MOST_CANCELS and self.driver.known())
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        self.cancels += 1
        self.do(self.driver.cancel(pick_of(self.driver.known(), pick)))

    @precondition(lambda self: self.driver.to_answer())
    @rule(pick=picks, who=picks, grant=coins)
    def answer(self, pick: int, who: int, *, grant: bool) -> None:
        name = pick_of(self.driver.to_answer(), pick)
        by = pick_of([*self.driver.model.approvals[name].who, *PEOPLE], who)
        self.do(self.driver.answer(name, by, grant=grant))

    @precondition(lambda self: self.driver.to_answer())
    @rule(pick=picks)
    def expire(self, pick: int) -> None:
        self.do(self.driver.expire(pick_of(self.driver.to_answer(), pick)))

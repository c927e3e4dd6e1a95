"""Goals of a choreography: every way from a failure on which they are missed is named."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from antiphon import ConfigurationError, Joined, Recovery, Service, all_of, any_of
from antiphon.choreography import Choreography, Code, Finding, Severity, accept, examine
from antiphon.testing import duplicated
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    Event,
    Failure,
    ServiceDegraded,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
    ServiceUnhealthy,
)

BOTH = tuple[DatabaseRestored, CacheWarmed]


class Shop:
    """Services whose handlers are made from what they react to and promise."""

    def __init__(self) -> None:
        self.service = Service("shop")
        self.service.goal(DatabaseFailed, ServiceRecovered)

    def on(self, *choices: Any, name: str, to: Any = None, **options: Any) -> Callable[..., Any]:
        async def handler(event: Event) -> None: ...

        handler.__name__ = name
        handler.__annotations__["return"] = to
        self.service.on(*choices, **options)(handler)
        return handler

    def join(self, join: Any, *, name: str, to: Any = None, **options: Any) -> None:
        async def handler(joined: Joined) -> None: ...

        handler.__name__ = name
        handler.__annotations__["return"] = to
        self.service.on(join, **options)(handler)

    @property
    def misses(self) -> list[Finding]:
        findings = examine(Choreography.of(self.service))
        return [one for one in findings if one.code is Code.GOAL_MISSED]

    @property
    def ways(self) -> list[str]:
        """The ways told, and where they end."""
        return [one.message.partition("is not reached: ")[2] for one in self.misses]


@pytest.fixture
def shop() -> Shop:
    return Shop()


# What is sound.


def test_a_way_that_reaches_the_goal_is_sound(shop: Shop) -> None:
    """Step by step, whoever else listens."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored)
    shop.on(DatabaseRestored, name="restart", to=ServiceRestarted | ServiceRecovered)
    shop.on(ServiceRestarted, name="reopen", to=ServiceRecovered)
    shop.on(DatabaseFailed, DatabaseRestored, name="note")
    assert shop.misses == []


def test_all_of_a_list_is_published(shop: Shop) -> None:
    """One of its events is enough."""
    shop.on(DatabaseFailed, name="restore", to=list[CacheWarmed | ServiceRestarted])
    shop.on(ServiceRestarted, name="reopen", to=ServiceRecovered)
    shop.on(CacheWarmed, name="note")
    assert shop.misses == []


def test_a_way_back_is_no_end(shop: Shop) -> None:
    """A probe may find the service unwell, and it is restarted again: the next time it is well."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored)
    shop.on(DatabaseRestored, ServiceUnhealthy, name="restart", to=ServiceRestarted, max_visits=3)
    shop.on(ServiceRestarted, name="look", to=ServiceRecovered | ServiceUnhealthy)
    shop.on(ServiceUnhealthy, name="note")
    assert shop.misses == []


def test_what_another_brings_is_not_lost(shop: Shop) -> None:
    """Two go for it at once; one may give up."""
    shop.on(DatabaseFailed, name="restore", to=ServiceRecovered)
    shop.on(DatabaseFailed, name="replace", to=ServiceRecovered | None)
    assert shop.misses == []


def test_a_handler_may_select_a_type_twice() -> None:
    """Any of its selectors may be the one."""
    service = Service("shop")
    service.goal(DatabaseFailed.about("users"), ServiceRecovered)

    @service.on(DatabaseFailed.about("orders"), DatabaseFailed.about("users"))
    async def restore(failed: DatabaseFailed) -> ServiceRecovered: ...  # type: ignore[empty-body]

    assert examine(Choreography.of(service)) == ()


def test_any_branch_is_enough_for_a_join_that_needs_one(shop: Shop) -> None:
    """The others may stay away."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored)
    shop.on(DatabaseFailed, name="warm", to=CacheWarmed | None)
    shop.join(any_of(DatabaseRestored, CacheWarmed), name="reopen", to=ServiceRecovered)
    assert shop.misses == []


def test_a_step_that_is_given_up_is_no_way(shop: Shop) -> None:
    """Nor is a join that waited too long: each may have a goal of its own."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored, on_failure=CacheLost)
    shop.on(CacheLost, name="page")
    shop.join(
        all_of(DatabaseRestored, ServiceFailed), name="reopen", to=ServiceRecovered, within="1m"
    )
    assert shop.misses == []
    shop.service.goal(CacheLost, ServiceRecovered)
    assert shop.ways == ["cache.lost → shop.page → nothing"]


def test_a_child_may_reach_the_goal(shop: Shop) -> None:
    """Or what is done when it is over may; what it publishes reaches no join of the parent."""

    @shop.service.on(DatabaseFailed)
    async def spread(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.start(ServiceFailed(subject="api"))

    shop.on(ServiceFailed, name="restart", to=ServiceRestarted)
    assert shop.ways == ["database.failed → shop.spread → child.closed"]
    shop.join(all_of(ServiceRestarted, CacheWarmed), name="both", to=ServiceRecovered)
    assert shop.ways == ["database.failed → shop.spread → child.closed"]
    shop.on(ChildClosed, name="finish", to=ServiceRecovered)
    assert shop.ways == []


def test_a_childs_own_goal_counts(shop: Shop) -> None:
    """The completion is the same, whichever recovery it is in."""

    @shop.service.on(DatabaseFailed)
    async def spread(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.start(ServiceFailed(subject="api"))

    shop.on(ServiceFailed, name="restart", to=ServiceRecovered)
    assert shop.misses == []


# What is not.


def test_a_member_of_a_union_that_leads_nowhere_is_found(shop: Shop) -> None:
    """At its handler, with the way and where it ends."""
    restore = shop.on(DatabaseFailed, name="restore", to=DatabaseRestored | CacheWarmed)
    shop.on(DatabaseRestored, name="reopen", to=ServiceRecovered)
    (one,) = shop.misses
    assert (one.group, one.severity) == ("shop.restore", Severity.PROBLEM)
    assert (one.file, one.line) == (__file__, restore.__code__.co_firstlineno)
    assert one.message == (
        "ends a way on which the goal service.recovered from database.failed is not reached: "
        "database.failed → shop.restore → cache.warmed"
    )


def test_nothing_is_an_ending_too(shop: Shop) -> None:
    """A handler that may return None may leave the rest undone."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored)
    shop.on(DatabaseRestored, name="restart", to=ServiceRecovered | None)
    assert shop.ways == [
        "database.failed → shop.restore → database.restored → shop.restart → nothing"
    ]


def test_the_end_and_the_choice_are_both_named(shop: Shop) -> None:
    """When others hear of it, the way ends with them, and was lost before."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored | CacheWarmed)
    shop.on(DatabaseRestored, name="reopen", to=ServiceRecovered)
    shop.on(CacheWarmed, name="serve", to=ServiceRestarted)
    (one,) = shop.misses
    assert one.group == "shop.serve"
    assert one.message.endswith(
        ": database.failed → shop.restore → cache.warmed → shop.serve → service.restarted; "
        "it is lost where shop.restore publishes cache.warmed"
    )


def test_every_way_is_named(shop: Shop) -> None:
    """When nothing reaches the goal, all ends are told."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored | CacheWarmed)
    shop.on(DatabaseRestored, name="restart", to=ServiceRestarted)
    shop.on(DatabaseFailed, name="note")
    assert sorted(shop.ways) == [
        "database.failed → shop.note → nothing",
        "database.failed → shop.restore → cache.warmed",
        "database.failed → shop.restore → database.restored → shop.restart → service.restarted",
    ]


def test_a_choice_holds_further_on(shop: Shop) -> None:
    """Who went the one way cannot be saved by the other."""
    shop.on(DatabaseFailed, name="choose", to=DatabaseRestored | CacheWarmed)
    shop.on(DatabaseRestored, name="one", to=ServiceRecovered | None)
    shop.on(CacheWarmed, name="other", to=ServiceRecovered | None)
    assert sorted(shop.ways) == [
        "database.failed → shop.choose → cache.warmed → shop.other → nothing",
        "database.failed → shop.choose → database.restored → shop.one → nothing",
    ]


def test_another_choice_may_lose_what_one_did_not(shop: Shop) -> None:
    """The same step ends well after the one choice, for another handler helps, and not after it."""
    shop.on(DatabaseFailed, name="choose", to=DatabaseRestored | CacheWarmed)
    shop.on(DatabaseRestored, name="help", to=ServiceRecovered)
    shop.on(DatabaseRestored, name="left", to=ServiceRestarted)
    shop.on(CacheWarmed, name="right", to=ServiceRestarted)
    shop.on(ServiceRestarted, name="reopen", to=ServiceRecovered | None)
    (one,) = shop.misses
    assert one.group == "shop.reopen"
    assert "database.failed → shop.choose → cache.warmed → shop.right" in one.message


def test_a_branch_that_stays_away_is_found(shop: Shop) -> None:
    """A join that needs all of them waits for ever."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored)
    shop.on(DatabaseFailed, name="warm", to=CacheWarmed | ServiceRestarted)
    shop.on(ServiceRestarted, name="note")
    shop.join(all_of(DatabaseRestored, CacheWarmed), name="reopen", to=ServiceRecovered)
    (one,) = shop.ways
    assert one.startswith("database.failed → shop.warm → service.restarted → shop.note → nothing;")


def test_a_join_that_never_gets_all_is_an_end(shop: Shop) -> None:
    """The way to it is told."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored)
    shop.join(all_of(DatabaseRestored, CacheWarmed), name="reopen", to=ServiceRecovered)
    assert shop.ways == [
        "database.failed → shop.restore → database.restored → shop.reopen → waits for ever"
    ]


def test_a_way_that_goes_round_is_told_where_it_is_lost(shop: Shop) -> None:
    """It has no end."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored | CacheWarmed)
    shop.on(DatabaseRestored, name="reopen", to=ServiceRecovered)
    shop.on(CacheWarmed, name="one", to=ServiceRestarted, budget="1/1m")
    shop.on(ServiceRestarted, name="two", to=CacheWarmed)
    assert shop.ways == ["database.failed → shop.restore → cache.warmed"]


def test_a_failure_nobody_hears_is_found_at_the_goal() -> None:
    """There is no handler to blame."""
    service = Service("shop")
    service.goal(DatabaseFailed.about("orders"), ServiceRecovered)
    (one,) = examine(Choreography.of(service))
    assert (one.code, one.severity, one.group) == (Code.GOAL_MISSED, Severity.PROBLEM, "shop")
    assert one.file == __file__
    assert one.message == (
        "declares the goal service.recovered from database.failed about orders, and no handler "
        "given reacts to database.failed about orders"
    )

    @service.on(DatabaseFailed.about("orders", "users"))
    async def restore(failed: DatabaseFailed) -> ServiceRecovered: ...  # type: ignore[empty-body]

    assert examine(Choreography.of(service)) == ()


def test_subjects_and_conditions_make_it_a_warning(shop: Shop) -> None:
    """Who reacts to some only does not stand in for who reacts to all."""
    shop.on(DatabaseFailed, name="restore", to=DatabaseRestored)
    shop.on(DatabaseRestored.about("a"), name="one", to=ServiceRecovered | None)
    shop.on(DatabaseRestored.about("b"), name="other", to=ServiceRecovered | None)
    assert [(one.group, one.severity) for one in shop.misses] == [
        ("shop.one", Severity.WARNING),
        ("shop.other", Severity.WARNING),
    ]


def test_a_branch_on_a_condition_makes_it_a_warning(shop: Shop) -> None:
    """The join waits for ever when the condition does not hold, and who knows whether it does."""
    shop.on(DatabaseFailed.where(bool), name="restore", to=DatabaseRestored)
    shop.on(DatabaseFailed, name="warm", to=CacheWarmed)
    shop.join(all_of(DatabaseRestored, CacheWarmed), name="reopen", to=ServiceRecovered)
    (one,) = shop.misses
    assert one.severity is Severity.WARNING
    assert "shop.warm → cache.warmed → shop.reopen → waits for ever" in one.message


def test_a_condition_on_the_way_holds(shop: Shop) -> None:
    """Whoever is on the way was triggered."""
    shop.on(DatabaseFailed.where(bool), name="restore", to=BOTH)
    shop.on(DatabaseRestored.where(bool), name="restart", to=ServiceRestarted)
    shop.join(all_of(CacheWarmed, ServiceRestarted), name="reopen", to=ServiceRecovered)
    assert shop.misses == []


def test_who_does_not_say_makes_it_a_warning(shop: Shop) -> None:
    """At the end of the way, or anywhere beside it."""
    shop.on(DatabaseFailed, name="restore", to=Any)
    (one,) = shop.misses
    assert one.severity is Severity.WARNING
    assert one.message.endswith(": database.failed → shop.restore → something it does not say")
    shop.on(ServiceDegraded, name="mend", to=Failure)
    (one,) = shop.misses
    assert one.message.endswith(", unless shop.mend does, which does not say what it publishes")


def test_a_miss_is_accepted_where_it_ends_or_where_it_is_lost(shop: Shop) -> None:
    """With the reason, as every finding is."""
    restore = shop.on(DatabaseFailed, name="restore", to=DatabaseRestored | CacheWarmed)
    shop.on(DatabaseRestored, name="reopen", to=ServiceRecovered)
    serve = shop.on(CacheWarmed, name="serve")
    for function in (serve, restore):
        (one,) = shop.misses
        assert one.accepted is None
        accept("goal-missed", reason="it serves from the cache")(function)
        (one,) = shop.misses
        assert one.accepted == "it serves from the cache"
        del function.__antiphon_accepted__  # type: ignore[attr-defined]


def test_many_choices_are_looked_at_within_reason(shop: Shop) -> None:
    """Ways double with every choice, and the end of a long one is found all the same."""
    kinds: list[list[Any]] = [
        [
            type(f"{side}{n}", (Event,), {"type": f"{side}.climbed.{n}", "__module__": __name__})
            for side in ("left", "right")
        ]
        for n in range(16)
    ]
    shop.on(DatabaseFailed, name="begin", to=kinds[0][0] | kinds[0][1])
    for number, (pair, following) in enumerate(pairwise(kinds)):
        shop.on(*pair, name=f"climb_{number}", to=following[0] | following[1])
    shop.on(kinds[-1][0], name="reach", to=ServiceRecovered)
    shop.on(kinds[-1][1], name="fall", to=ServiceRecovered | None)
    (one,) = shop.misses
    assert one.group == "shop.fall"


# Declaring.


def test_a_goal_is_known_to_its_service() -> None:
    """With the place where it is declared; it changes nothing else."""
    service = Service("shop")
    service.goal(DatabaseFailed.about("orders"), ServiceRecovered)
    (one,) = service.goals
    assert one.service == "shop"
    assert one.failure.subjects == {"orders"}
    assert one.completion.event is ServiceRecovered
    assert one.location.startswith(f"{__file__}:")
    (aim,) = Choreography.of(service, service).aims
    assert str(aim) == "service.recovered from database.failed about orders"
    assert duplicated(service).goals == service.goals


def test_a_goal_makes_sense() -> None:
    """It leads from one type to another."""
    service = Service("shop")
    with pytest.raises(ConfigurationError, match=r"both are database\.failed"):
        service.goal(DatabaseFailed, DatabaseFailed.about("orders"))
    with pytest.raises(ConfigurationError, match="not to a join"):
        service.goal(DatabaseFailed, all_of(CacheWarmed))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="it is a base of events"):
        service.goal(Failure, CacheWarmed)
    assert service.goals == ()

"""Circles in a choreography: those of completions, delays, deaths and children; what ends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from antiphon import Approval, Joined, Recovery, Service, all_of
from antiphon.choreography import Code, Finding, Severity, accept
from antiphon.choreography.circle import circles, reachable, shortest_circle
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    Event,
    ServiceFailed,
    ServiceRestarted,
    StepFailed,
)
from examined import codes, fine, found, line_of, named


def circle_of(*, choice: Any = DatabaseRestored, **options: Any) -> tuple[Service, Service]:
    """Two services that go round: restored, restarted, restored; the options are the first's."""
    db, api = Service("db"), Service("api")

    @db.on(DatabaseFailed, ServiceRestarted, **options)
    async def restore(event: Event) -> DatabaseRestored | None: ...

    @api.on(choice)
    async def restart(event: Event) -> ServiceRestarted: ...  # type: ignore[empty-body]

    return db, api


def test_a_circle_is_found_and_named() -> None:
    """It is told as a path, at the first of its handlers."""
    db, api = circle_of()
    (one,) = found(db, api)
    assert (one.code, one.severity, one.group) == (Code.CYCLE, Severity.PROBLEM, "db.restore")
    assert one.message.endswith(
        ": db.restore → database.restored → api.restart → service.restarted → db.restore"
    )
    assert (one.file, one.line) == (__file__, line_of(db.handlers[0].function))
    assert one.remedy.startswith("give one of them a budget or max_visits")


def test_a_circle_that_depends_on_a_subject_is_a_warning() -> None:
    """Signatures do not say what a completion is about."""
    (one,) = found(*circle_of(choice=DatabaseRestored.about("orders")))
    assert one.severity is Severity.WARNING
    assert "if subjects and conditions let it" in one.message


def test_a_handler_may_be_a_circle_of_its_own() -> None:
    """One that publishes what it reacts to triggers itself."""
    service = Service("edge")

    @service.on(CacheLost)
    async def warm(lost: CacheLost) -> CacheWarmed | CacheLost: ...  # type: ignore[empty-body]

    assert codes(service) == [("cycle", "edge.warm")]


@pytest.mark.parametrize(
    "options", [{"budget": "3/10m"}, {"max_visits": 5}], ids=["budget", "max_visits"]
)
def test_a_bound_makes_a_circle_right(options: dict[str, Any]) -> None:
    """Who says how often a handler may run has thought of it."""
    assert found(*circle_of(**options)) == []


def test_a_join_ends_a_circle() -> None:
    """It fires once in a recovery, so nothing goes round through it."""
    assert found(*circle_of(choice=all_of(DatabaseRestored))) == []


def test_every_circle_is_seen_beside_an_accepted_one() -> None:
    """Accepting one circle hides no other that shares a handler with it."""
    db, api = circle_of()
    cache = Service("cache")

    @cache.on(DatabaseRestored)
    async def warm(restored: DatabaseRestored) -> ServiceRestarted: ...  # type: ignore[empty-body]

    accept("cycle", reason="the database is well by then")(api.handlers[0].function)
    left, waived = sorted(found(db, api, cache), key=lambda one: one.accepted or "")
    assert left.accepted is None
    assert "cache.warm" in left.message
    assert (waived.group, waived.accepted) == ("api.restart", "the database is well by then")


def test_circles_are_the_shortest_and_cover_all() -> None:
    """Each node that is on a circle is on one of those named; a way past others says more."""
    arrows = {"a": ("b", "a"), "b": ("a", "c"), "c": ("d",), "d": ("b", "e"), "e": ("e",), "f": ()}
    assert list(circles(arrows, arrows)) == [("a", "b"), ("c", "d", "b"), ("e",)]
    assert shortest_circle(arrows, "f") == ()
    assert reachable(arrows, "d") == {"a", "b", "c", "d", "e"}
    assert reachable(arrows, "f") == set()


# Through delays, deaths and child recoveries.


def round_of(first: Callable[..., Any], **options: Any) -> list[Finding]:
    """A handler of ServiceFailed, and one that answers what it brings about with the same again."""
    api, web = Service("api"), Service("web")
    api.on(ServiceFailed, **options)(first)

    @web.on(CacheLost)
    async def again(lost: CacheLost) -> ServiceFailed: ...  # type: ignore[empty-body]

    return [one for one in found(api, web) if one.code is Code.CYCLE]


async def delays(event: Event, recovery: Recovery) -> None:
    """Put a failure off."""
    recovery.publish(CacheLost(subject="cache"), after="5m")


async def spawns(event: Event, recovery: Recovery) -> None:
    """Start a recovery."""
    recovery.start(CacheLost(subject="cache"))


@pytest.mark.parametrize(
    ("function", "options", "link"),
    [
        (delays, {}, "cache.lost (later)"),
        (fine, {"on_failure": CacheLost}, "cache.lost (on failure)"),
    ],
)
@pytest.mark.parametrize(
    "bound", [{}, {"max_visits": 2}, {"budget": "3/1h"}, {"approval": Approval()}]
)
def test_a_circle_goes_through_delays_and_deaths(
    function: Callable[..., Any], options: dict[str, Any], link: str, bound: dict[str, Any]
) -> None:
    """They come round as well; a bound ends them, and so do people who are asked."""
    findings = round_of(function, **options, **bound)
    if bound:
        assert findings == []
        return
    (one,) = findings
    assert one.severity is Severity.PROBLEM
    assert one.message.endswith(
        f"is in a circle that only a limit halts: api.{function.__name__} → {link} → web.again → "
        f"service.failed → api.{function.__name__}"
    )


@pytest.mark.parametrize(
    ("bound", "sound"),
    [
        ({}, False),
        ({"max_visits": 2}, False),
        ({"budget": "3/1h"}, True),
        ({"approval": Approval()}, True),
        ({"approval": Approval(otherwise="proceed")}, False),
    ],
)
def test_recoveries_that_start_one_another_want_a_budget(
    bound: dict[str, Any], *, sound: bool
) -> None:
    """What counts within one recovery begins anew in the next."""
    findings = round_of(spawns, **bound)
    if sound:
        assert findings == []
        return
    (one,) = findings
    assert one.message == (
        "is in a circle of recoveries that start one another: api.spawns → cache.lost (as a child "
        "recovery) → web.again → service.failed → api.spawns"
    )
    assert one.remedy.startswith("give one of them a budget, which counts across recoveries")


def test_a_join_ends_no_circle_of_recoveries() -> None:
    """It fires once in each of them."""
    web = Service("web")

    @web.on(all_of(ServiceFailed, DatabaseFailed))
    async def both(joined: Joined, recovery: Recovery) -> None:
        recovery.start(ServiceFailed(subject="api"))

    assert codes(web) == [("cycle", "web.both")]


def test_a_child_that_closes_may_begin_the_next() -> None:
    """Whoever starts one whenever one is over goes round within the recovery."""
    web = Service("web")

    @web.on(ServiceFailed, ChildClosed)
    async def each(event: Event, recovery: Recovery) -> None:
        recovery.start(DatabaseFailed(subject="db"))

    web.on(DatabaseFailed)(fine)
    (one,) = found(web)
    assert one.message.endswith(": web.each → child.closed → web.each")


def test_who_answers_deaths_may_cause_them() -> None:
    """A step that fails is tried again by whoever hears of it, and fails again."""
    api, ops = Service("api"), Service("ops")

    @api.on(ServiceFailed)
    async def restart(failed: ServiceFailed) -> None: ...

    @ops.on(StepFailed)
    async def again(failed: StepFailed) -> ServiceFailed: ...  # type: ignore[empty-body]

    (one,) = found(api, ops)
    assert one.message.endswith(
        ": api.restart → step.failed → ops.again → service.failed → api.restart"
    )


def test_who_hears_of_deaths_is_no_circle_alone() -> None:
    """It does not answer its own."""
    ops = Service("ops")
    ops.on(StepFailed)(fine)
    ops.on(StepFailed)(named("other"))
    assert found(ops) == []


def test_a_circle_of_recoveries_is_accepted_by_any_of_its_handlers() -> None:
    """As every circle is."""
    web = Service("web")

    @accept("cycle", reason="the second finds nothing to do")
    @web.on(CacheLost)
    async def again(lost: CacheLost) -> ServiceFailed: ...  # type: ignore[empty-body]

    web.on(ServiceFailed)(spawns)
    (one,) = found(web)
    assert one.accepted == "the second finds nothing to do"

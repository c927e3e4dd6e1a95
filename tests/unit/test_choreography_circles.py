"""Circles in a choreography: through delays, deaths and child recoveries, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from antiphon import Approval, Joined, Recovery, Service, all_of
from antiphon.choreography import Code, Finding, Severity, accept
from antiphon_events import CacheLost, ChildClosed, DatabaseFailed, Event, ServiceFailed, StepFailed
from examined import codes, fine, found, named


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

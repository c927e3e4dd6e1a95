"""The choreography's flow: steps that wait, are given up, put off, or begin others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from antiphon import Approval, Joined, Recovery, Service, all_of, any_of
from antiphon.choreography import Choreography, Code, Emission, How, Part, Severity, accept
from antiphon.choreography.consent import consent
from antiphon_events import (
    ApprovalExpired,
    CacheLost,
    CacheWarmed,
    ChildClosed,
    DatabaseFailed,
    DatabaseRestored,
    Event,
    Failure,
    JoinTimedOut,
    RecoveryCompleted,
    ServiceDegraded,
    ServiceFailed,
    ServiceRestarted,
    StepFailed,
)
from examined import fine, found, named


def part_of(function: Callable[..., Any], **options: Any) -> Part:
    service = Service("one")
    service.on(ServiceFailed, **options)(function)
    (part,) = Choreography.of(service).parts
    return part


def emitted(function: Callable[..., Any], **options: Any) -> list[tuple[str, str]]:
    part = part_of(function, **options)
    return [(str(one.how), str(one)) for one in part.emissions]


# What is read.


def test_what_a_recovery_is_asked_to_publish_is_read_from_the_source() -> None:
    """At once or later, by the class at the call, in a variable, or in a parameter's annotation."""

    async def several(event: ServiceDegraded, recovery: Recovery) -> DatabaseRestored:
        lost = CacheLost(subject="cache")
        recovery.publish(lost)
        recovery.publish(CacheWarmed(subject="cache"), after="5m")
        recovery.publish(event, after=WAIT)
        return DatabaseRestored(subject="db")

    assert emitted(several) == [
        ("publishes", "database.restored"),
        ("publishes", "cache.lost"),
        ("publishes later", "cache.warmed after 5m"),
        ("publishes later", "service.degraded after some time"),
    ]


WAIT = "1m"


def test_an_annotation_and_its_delay_are_one_promise() -> None:
    """What is named in the annotation and put off in the source comes later."""

    async def later(event: Event, recovery: Recovery) -> CacheWarmed | None:
        recovery.publish(CacheWarmed(subject="cache"), after="5m")
        return None

    assert emitted(later) == [("publishes later", "cache.warmed after 5m")]


def test_what_cannot_be_read_is_no_promise() -> None:
    """A variable that may hold several things, and what another function publishes."""

    async def unclear(event: Event, recovery: Recovery) -> None:
        chosen = CacheLost(subject="a") if event else CacheWarmed(subject="a")
        recovery.publish(chosen)
        lost = CacheLost(subject="a")
        recovery.publish(lost)
        for lost in [CacheLost(subject="b")]:
            recovery.publish(lost)
        for each in (CacheLost(subject="a"),):
            recovery.publish(each)
        _publish(recovery)

    def _publish(recovery: Recovery) -> None:
        recovery.publish(CacheWarmed(subject="a"))

    assert emitted(unclear) == []
    part = part_of(eval("lambda event: None"))
    assert part.emissions == ()
    assert part.unsaid == {How.PUBLISHES}


def test_children_are_read_from_the_source() -> None:
    """With what Antiphon tells the parent of them; one that cannot be read is said to be there."""

    async def spread(event: Event, recovery: Recovery) -> None:
        recovery.start(DatabaseFailed(subject="db"))

    async def unclear(event: Event, recovery: Recovery) -> None:
        recovery.start(event)

    assert emitted(spread) == [
        ("starts", "database.failed, as a child recovery"),
        ("when a child is over", "child.closed"),
    ]
    part = part_of(unclear)
    assert [one.fact.type for one in part.emissions] == ["child.closed"]
    assert part.unsaid == {How.STARTS}
    assert part.vague


def test_what_follows_a_death_is_a_promise() -> None:
    """A class, or what a function's annotation names; one without is vague."""

    def lost(event: Event, error: str) -> CacheLost | None: ...
    def unsaid(event, error): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    assert emitted(fine, on_failure=CacheLost) == [("on failure", "cache.lost")]
    assert emitted(fine, on_failure=lost) == [("on failure", "cache.lost")]
    for vague in (unsaid, partial(lost)):
        part = part_of(fine, on_failure=vague)
        assert part.emissions == ()
        assert part.unsaid == {How.FAILURE}


def test_a_promise_is_a_choice_of_endings() -> None:
    """A union chooses one; a list and a tuple hold several at once; None is an ending as well."""

    async def ends(event: Event) -> CacheWarmed | list[CacheLost | ServiceFailed] | None: ...
    async def pairs(event: Event) -> tuple[CacheWarmed | None, CacheLost]: ...  # type: ignore[empty-body]

    def types(function: Callable[..., Any]) -> list[list[str]]:
        return [[fact.type for fact in one.facts] for one in part_of(function).alternatives]

    assert types(ends) == [["cache.warmed"], ["cache.lost", "service.failed"], []]
    assert types(pairs) == [["cache.warmed", "cache.lost"], ["cache.lost"]]


@pytest.mark.parametrize(
    ("approval", "words"),
    [
        (Approval(), ("anybody", "after 15m escalate")),
        (Approval(("ana", "ben"), within=None), ("ana or ben", "for ever")),
        (
            Approval(("ana",), then=(("ben",),), quorum=2, within="5m", otherwise="deny"),
            ("2 of ana", "after 5m also ben", "after 5m deny"),
        ),
        (Approval(quorum=2, otherwise="proceed"), ("any 2 people", "after 15m proceed")),
    ],
)
def test_an_approval_is_told_in_words(approval: Approval, words: tuple[str, ...]) -> None:
    """Who, how many, how long, and what then."""
    assert consent(approval) == words


def test_an_emission_is_plain_data() -> None:
    """Equal when it says the same."""
    part = part_of(fine, on_failure=CacheLost)
    (one,) = part.emissions
    assert one == Emission(one.fact, How.FAILURE)
    assert issubclass(CacheLost, Failure)
    assert part.brings("cache.lost") == (one,)
    assert part.emits(How.FAILURE) == (one,)


# What Antiphon publishes.


@pytest.mark.parametrize(
    "event", [StepFailed, JoinTimedOut, ChildClosed, ApprovalExpired, RecoveryCompleted]
)
def test_what_antiphon_publishes_comes_by_itself(event: type[Event]) -> None:
    """Nobody is missed who publishes it, and a join may wait for it."""
    ops = Service("ops")
    ops.on(event)(fine)

    @ops.on(all_of(event, ServiceFailed))
    async def both(joined: Joined) -> None: ...

    assert found(ops) == []


# Failures that somebody has to answer.


def test_a_failure_that_follows_a_death_wants_a_handler() -> None:
    """Whoever says what comes then has to answer it."""
    db = Service("db")

    @db.on(DatabaseFailed, on_failure=CacheLost)
    async def restore(failed: DatabaseFailed) -> None: ...

    (one,) = found(db)
    assert (one.code, one.severity) == (Code.UNHANDLED_FAILURE, Severity.PROBLEM)
    assert one.message.startswith("publishes cache.lost when it gives a step up, a failure no")
    db.on(CacheLost)(fine)
    assert found(db) == []


def test_an_answer_to_a_death_wants_a_handler() -> None:
    """Also when it is no failure: what nobody hears answers nothing."""
    db = Service("db")

    def without(event: Event, error: str) -> CacheWarmed: ...  # type: ignore[empty-body]

    @db.on(DatabaseFailed, on_failure=without)
    async def restore(failed: DatabaseFailed) -> None: ...

    (one,) = found(db)
    assert (one.code, one.severity) == (Code.UNHANDLED_FAILURE, Severity.PROBLEM)
    assert "and no handler given reacts to that, so the step counts as dead" in one.message
    db.on(CacheWarmed)(fine)
    assert found(db) == []


def test_a_child_wants_somebody_who_answers_it() -> None:
    """It would be open for ever, and its parent with it."""
    db = Service("db")

    @db.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.start(CacheLost(subject="cache"))

    (one,) = found(db)
    assert one.code is Code.UNHANDLED_FAILURE
    assert one.message.startswith("starts a child recovery with cache.lost, a failure no")
    assert "that recovery cannot end as completed" in one.message
    db.on(CacheLost)(fine)
    assert found(db) == []


def test_what_comes_by_a_death_a_delay_or_a_child_leads_on() -> None:
    """A handler that only they lead to is triggered."""
    db, web = Service("db"), Service("web")

    def lost(event: Event, error: str) -> CacheWarmed: ...  # type: ignore[empty-body]

    @db.on(DatabaseFailed, on_failure=lost)
    async def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
        recovery.publish(DatabaseRestored(subject="db"), after="5m")
        recovery.start(ServiceRestarted(subject="api"))

    for event in (CacheWarmed, DatabaseRestored, ServiceRestarted):
        part = web.on(event)
        part(named(f"hear_{event.__name__}"))
    assert found(db, web) == []
    assert len(found(web)) == 3


# Waiting.


def test_an_approval_wants_an_end() -> None:
    """While nobody answers, nobody is told; with a time, something follows."""
    db = Service("db")

    @accept("endless-approval", reason="ana always answers")
    @db.on(DatabaseFailed, approval=Approval(("ana",), within=None))
    async def restore(failed: DatabaseFailed) -> None: ...

    @db.on(ServiceFailed, approval=Approval(("ana",), within=None))
    async def restart(failed: ServiceFailed) -> None: ...

    @db.on(CacheLost, approval=Approval(("ana",)))
    async def warm(lost: CacheLost) -> None: ...

    waived, one = found(db)
    assert (waived.group, waived.accepted) == ("db.restore", "ana always answers")
    assert (one.code, one.severity, one.group) == (
        Code.ENDLESS_APPROVAL,
        Severity.PROBLEM,
        "db.restart",
    )


def test_a_join_that_stops_waiting_wants_somebody_to_hear_it() -> None:
    """Otherwise nothing is done instead; one that waits for ever is not blamed."""
    web, ops = Service("web"), Service("ops")

    @web.on(all_of(ServiceFailed, DatabaseFailed), within="10m")
    async def reopen(joined: Joined) -> None: ...

    @web.on(any_of(ServiceFailed, DatabaseFailed))
    async def note(joined: Joined) -> None: ...

    (one,) = found(web)
    assert (one.code, one.severity, one.group) == (
        Code.UNHEARD_TIMEOUT,
        Severity.WARNING,
        "web.reopen",
    )
    assert one.message.startswith("stops waiting after 10m")
    ops.on(JoinTimedOut.where(lambda late: late.step == "web.reopen"))(fine)
    assert found(web, ops) == []


def test_an_undo_needs_no_promise() -> None:
    """A step may have something to take back that nobody hears of."""
    db = Service("db")
    db.on(DatabaseFailed, undo=fine)(named("restore"))
    assert found(db) == []
    (part,) = Choreography.of(db).parts
    assert part.undo == "fine"

"""The choreography: what is read from signatures, and what can be known from it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import antiphon.choreography
from antiphon import (
    Budget,
    ConfigurationError,
    Joined,
    Recovery,
    Retry,
    Service,
    all_of,
    any_of,
    n_of,
)
from antiphon.choreography import Choreography, Code, Kind, Severity, accept
from antiphon_events import (
    CacheLost,
    CacheWarmed,
    DatabaseFailed,
    DatabaseRestored,
    Event,
    Failure,
    RecoveryHalted,
    ServiceFailed,
    ServiceRecovered,
    ServiceRestarted,
)
from documents import code, rows, section
from examined import codes, found, line_of


def promised_by(function: Callable[..., Any]) -> tuple[list[str], bool]:
    service = Service("one")
    service.on(ServiceFailed)(function)
    (part,) = Choreography.of(service).parts
    return [fact.type for fact in part.promised], part.vague


def test_a_return_annotation_is_a_promise() -> None:
    """Unions and lists promise each of their events; None promises that nothing follows."""

    async def several(event: Event) -> list[CacheWarmed | ServiceRestarted] | None: ...
    async def pair(event: Event) -> tuple[CacheWarmed, ...]: ...  # type: ignore[empty-body]
    async def nothing(event: Event) -> None: ...

    assert promised_by(several) == (["cache.warmed", "service.restarted"], False)
    assert promised_by(pair) == (["cache.warmed"], False)
    assert promised_by(nothing) == ([], False)


def test_no_promise_is_not_the_promise_of_nothing() -> None:
    """What an annotation that is missing, or names a base of events, leaves open stays open."""

    async def base(event: Event) -> Event: ...  # type: ignore[empty-body]
    async def partly(event: Event) -> CacheWarmed | Failure: ...  # type: ignore[empty-body]
    async def anything(event: Event) -> Any: ...
    async def unsaid(event: Event): ...  # type: ignore[no-untyped-def]  # noqa: ANN202

    assert promised_by(base) == ([], True)
    assert promised_by(partly) == (["cache.warmed"], True)
    assert promised_by(anything) == ([], True)
    assert promised_by(unsaid) == ([], True)


def test_a_completion_may_be_about_anything() -> None:
    """It leads to every handler that reacts to its type, whatever the subject."""
    db, api = Service("db"), Service("api")

    @db.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored: ...  # type: ignore[empty-body]

    @api.on(DatabaseRestored.about("orders"))
    async def one(restored: DatabaseRestored) -> None: ...

    @api.on(DatabaseRestored.where(lambda restored: bool(restored.backup)))
    async def other(restored: DatabaseRestored) -> None: ...

    choreography = Choreography.of(db, api)
    first, *followers = choreography.parts
    assert choreography.followers(first) == tuple(followers)
    assert [str(fact) for fact in choreography.completions(first)] == [
        "database.restored about orders",
        "database.restored",
    ]
    assert [fact.kind for fact in choreography.facts] == [
        Kind.FAILURE,
        Kind.COMPLETION,
        Kind.COMPLETION,
    ]


def test_guards_are_what_the_code_declares() -> None:
    """What is left to the settings of a deployment is not there; retries and timeout always are."""
    service = Service("api", rate="100/1m")

    @service.on(
        ServiceFailed, budget=Budget(2, per="1h", action="restart"), exclusive=True, max_age="off"
    )
    async def restart(failed: ServiceFailed) -> None: ...

    (part,) = Choreography.of(service).parts
    assert dict(part.guards) == {
        "budget": "2/1h of restart",
        "service_rate": "100/1m",
        "exclusive": "{subject}",
        "max_age": "off",
        "attempts": "5",
        "timeout": "5m",
    }


def joined(join: Any) -> list[tuple[str, str]]:
    """What is found when only the cache is warmed, and a join waits for it and others."""
    cache, web = Service("cache"), Service("web")

    @cache.on(CacheLost)
    async def warm(lost: CacheLost) -> CacheWarmed: ...  # type: ignore[empty-body]

    @web.on(join)
    async def reopen(joined: Joined) -> ServiceRecovered: ...  # type: ignore[empty-body]

    return codes(cache, web)


NEVER = [("join-never", "web.reopen")]


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        (all_of(CacheWarmed, ServiceRestarted), NEVER),
        (all_of(CacheWarmed, ServiceFailed), []),
        (all_of(CacheWarmed, RecoveryHalted), []),
        (n_of(2, CacheWarmed, ServiceRestarted, DatabaseRestored), NEVER),
        (n_of(2, CacheWarmed, ServiceRestarted, ServiceFailed), []),
        (any_of(CacheWarmed, ServiceRestarted), []),
        (any_of(DatabaseRestored, ServiceRestarted), NEVER),
    ],
)
def test_a_join_needs_branches_that_can_come(join: Any, expected: list[tuple[str, str]]) -> None:
    """From a handler given, from outside, or from Antiphon; as many as it needs."""
    assert joined(join) == expected


def test_the_branches_that_never_come_are_named() -> None:
    """With the kind of the join, at its handler."""
    web = Service("web")

    @web.on(all_of(ServiceFailed, CacheWarmed.about("cache"), ServiceRestarted))
    async def reopen(joined: Joined) -> None: ...

    (one,) = found(web)
    assert one.message == (
        "waits for all of 3, and no handler given publishes cache.warmed about cache or "
        "service.restarted"
    )
    assert (one.file, one.line, one.severity) == (__file__, line_of(reopen), Severity.PROBLEM)


def test_who_says_nothing_may_publish_anything() -> None:
    """What depends on a handler without a promise is a warning, and the handler is named."""
    db, web = Service("db"), Service("web")

    @db.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed) -> Event: ...  # type: ignore[empty-body]

    @web.on(DatabaseRestored)
    async def reopen(restored: DatabaseRestored) -> None: ...

    @web.on(all_of(CacheWarmed, ServiceRestarted))
    async def gather(joined: Joined) -> None: ...

    findings = found(db, web)
    assert [(str(one.code), one.severity) for one in findings] == [
        ("never-triggered", Severity.WARNING),
        ("join-never", Severity.WARNING),
    ]
    for one in findings:
        assert "unless db.restore does, which does not say what it publishes" in one.message
        assert one.remedy.startswith("annotate what db.restore publishes")


def test_a_handler_nothing_leads_to_is_found() -> None:
    """It reacts to a completion that nobody but itself publishes; what follows it is not named."""
    api, web = Service("api"), Service("web")

    @api.on(CacheWarmed, max_visits=2)
    async def restart(warmed: CacheWarmed) -> ServiceRestarted | CacheWarmed: ...  # type: ignore[empty-body]

    @web.on(ServiceRestarted)
    async def reopen(restarted: ServiceRestarted) -> None: ...

    (one,) = found(api, web)
    assert (one.code, one.group, one.line) == (
        Code.NEVER_TRIGGERED,
        "api.restart",
        line_of(restart),
    )
    assert one.message == "reacts only to cache.warmed, which no other handler given publishes"


def test_handlers_that_only_wait_for_one_another_are_found() -> None:
    """Nothing from outside ever begins their circle."""
    api, web = Service("api"), Service("web")

    @api.on(ServiceRecovered, budget="1/1h")
    async def restart(recovered: ServiceRecovered) -> ServiceRestarted: ...  # type: ignore[empty-body]

    @web.on(ServiceRestarted)
    async def reopen(restarted: ServiceRestarted) -> ServiceRecovered: ...  # type: ignore[empty-body]

    assert codes(api, web) == [
        ("never-triggered", "api.restart"),
        ("never-triggered", "web.reopen"),
    ]


def test_accepting_that_something_else_triggers_a_handler_holds_for_what_follows() -> None:
    """The circle has a beginning then; the acceptance is listed."""
    probe, web = Service("probe"), Service("web")

    @accept("never-triggered", reason="the probe of the shop publishes it")
    @probe.on(ServiceRecovered)
    async def hear(recovered: ServiceRecovered) -> CacheWarmed: ...  # type: ignore[empty-body]

    @web.on(CacheWarmed)
    async def reopen(warmed: CacheWarmed) -> None: ...

    (one,) = found(probe, web)
    assert (one.group, one.accepted) == ("probe.hear", "the probe of the shop publishes it")


def test_a_failure_that_is_published_wants_a_handler() -> None:
    """A completion nobody reacts to is how recoveries end; a failure leaves one unanswered."""
    db = Service("db")

    @db.on(DatabaseFailed)
    async def restore(failed: DatabaseFailed) -> DatabaseRestored | CacheLost: ...  # type: ignore[empty-body]

    (one,) = found(db)
    assert (one.code, one.severity, one.line) == (
        Code.UNHANDLED_FAILURE,
        Severity.PROBLEM,
        line_of(restore),
    )
    assert one.message.startswith("publishes cache.lost, a failure no handler given reacts to")

    @db.on(CacheLost.about("orders"))
    async def warm(lost: CacheLost) -> None: ...

    assert found(db) == []


def test_a_retry_wants_a_timeout() -> None:
    """An attempt that hangs is never retried; one that may only be tried once has no retry."""
    db = Service("db")

    @db.on(DatabaseFailed, timeout=None)
    async def restore(failed: DatabaseFailed) -> None: ...

    @db.on(DatabaseFailed, timeout=None, retry=Retry(attempts=1))
    async def dump(failed: DatabaseFailed) -> None: ...

    (one,) = found(db)
    assert (one.code, one.severity, one.line) == (
        Code.UNBOUNDED_RETRY,
        Severity.WARNING,
        line_of(restore),
    )


def test_two_handlers_want_two_groups() -> None:
    """They would share the entries; one service given twice is one service."""
    services = [Service("db"), Service("db")]
    for service in services:

        @service.on(DatabaseFailed)
        async def restore(failed: DatabaseFailed) -> None: ...

    assert codes(*services) == [("same-name", "db.restore")] * 2
    assert codes(services[0], services[0]) == []

    @services[1].on(ServiceFailed)
    async def check(failed: ServiceFailed) -> None: ...

    assert len(codes(*services)) == 2


def test_an_acceptance_says_why() -> None:
    """A code that is none, and a reason that says nothing, are refused."""
    with pytest.raises(ConfigurationError, match="there is no such code; cycle, join-never"):
        accept("circle", reason="why not")
    for reason in ("", "  ", None):
        with pytest.raises(ConfigurationError, match="say why"):
            accept("cycle", reason=reason)  # type: ignore[arg-type]


def test_an_acceptance_leaves_the_function_as_it_is() -> None:
    """It works above and below `on`, for several codes, and through wrappers."""

    async def restart(failed: ServiceFailed, recovery: Recovery) -> None: ...

    assert accept("cycle", reason="one")(restart) is restart

    @functools.wraps(restart)
    async def wrapped(failed: ServiceFailed, recovery: Recovery) -> None: ...

    accept("unbounded-retry", reason="two")(wrapped)
    service = Service("api")
    service.on(ServiceFailed)(wrapped)
    (part,) = Choreography.of(service).parts
    assert part.accepted == (("cycle", "one"), ("unbounded-retry", "two"))
    service = Service("web")
    service.on(ServiceFailed)(restart)
    (part,) = Choreography.of(service).parts
    assert part.accepted == (("cycle", "one"),)


def test_every_public_name_is_listed() -> None:
    """The reference names what `__all__` does, each once."""
    table = rows(
        section(
            "reference/python-api.md",
            "## `antiphon.choreography`: what is known before anything runs",
        )
    )
    listed = [name for row in table for name in code(row[0])]
    assert sorted(listed) == sorted(antiphon.choreography.__all__)


def test_every_code_is_explained() -> None:
    """The guide lists what is looked for."""
    table = rows(section("how-to/check-a-choreography.md", "## What is looked for"))
    assert [code(row[0])[0] for row in table] == [str(one) for one in Code]

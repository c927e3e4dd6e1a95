"""What guards a handler: its code, what the deployment says, and what is refused at start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from antiphon import Breaker, Budget, ConfigurationError, Quota, Retry, Service, Settings
from antiphon.guards.policy import Policy, check
from antiphon.handler import Handler
from antiphon_events import ServiceFailed


def made(service: Service | None = None, **options: Any) -> Handler:
    service = service or Service("api")

    async def restart(failed: ServiceFailed) -> None: ...

    service.on(ServiceFailed, **options)(restart)
    return service.handlers[0]


def test_what_is_not_asked_for_comes_from_the_settings() -> None:
    """Ages and visits are limited for everybody; budgets and rates only where somebody says so."""
    policy = Policy.of(made(), Settings())
    assert policy == Policy(budget=None, rates=(), max_age=timedelta(hours=1), max_visits=3)


def test_the_code_says_more() -> None:
    """Each guard can be given as an object or as text."""
    handler = made(
        Service("api", rate="100/1m"), budget="5/1h", rate="30/1m", max_age="off", max_visits=7
    )
    assert Policy.of(handler, Settings(rate="600/1m")) == Policy(
        budget=Budget(5, per="1h"),
        rates=(
            ("handler:api.restart", Quota(30, per="1m")),
            ("service:api", Quota(100, per="1m")),
            ("cell", Quota(600, per="1m")),
        ),
        max_age=timedelta(),
        max_visits=7,
    )


def test_the_deployment_has_the_last_word() -> None:
    """What a deployment says of a handler replaces what its code says; `off` takes it away."""
    handler = made(Service("api", rate="100/1m"), budget=Budget(action="restart"), rate="30/1m")
    said = {"budget": "1/1h", "rate": "off", "max_age": "2h", "max_visits": 9}
    settings = Settings(handlers={"api.restart": said}, services={"api": {"rate": "5/1s"}})
    assert Policy.of(handler, settings) == Policy(
        budget=Budget(1, per="1h", action="restart"),
        rates=(("service:api", Quota(5, per="1s")),),
        max_age=timedelta(hours=2),
        max_visits=9,
    )
    assert Policy.of(handler, Settings(handlers={"api.restart": {"budget": "off"}})).budget is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "three"}, "'three' is not a quota"),
        ({"rate": "0/1m"}, "a limit of 0 is not from 1 to 100,000"),
        ({"rate": "3/0s"}, "'0s' is no window"),
        ({"rate": "3/soon"}, "'soon' is not a duration"),
        ({"max_age": "old"}, "max_age: 'old' is not a duration.*or 'off'"),
        ({"max_visits": 0}, "max_visits=0: a handler runs at least once"),
    ],
)
def test_nonsense_is_refused_where_it_is_written(options: dict[str, Any], message: str) -> None:
    """The error names the value and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        made(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fail_max": 0}, "fail_max=0"),
        ({"success_threshold": 0}, "success_threshold=0"),
        ({"on_open": "panic"}, "neither 'defer' nor 'escalate'"),
    ],
)
def test_a_breaker_refuses_nonsense(options: dict[str, Any], message: str) -> None:
    """The error names the value and what is allowed."""
    with pytest.raises(ConfigurationError, match=message):
        Breaker("db", **options)


def test_keys_outlive_the_longest_retry() -> None:
    """A key that is forgotten between two attempts would let the work be done twice."""
    handler = made(retry=Retry(attempts=10, first="1h", longest="1h"))
    with pytest.raises(ConfigurationError, match=r"9h apart in all, and key_retention .* is 9h"):
        check(handler, Settings(key_retention="9h"))
    check(handler, Settings(key_retention="10h"))


def test_a_breaker_opens_again_while_keys_are_known() -> None:
    """A delivery held longer than its key is remembered could run twice."""
    with pytest.raises(ConfigurationError, match="reset_timeout 2d must be shorter than"):
        check(made(breaker=Breaker(reset_timeout="2d")), Settings())


def test_settings_for_a_handler_that_is_not_there_are_refused() -> None:
    """A slip in a name would leave a handler without the guard somebody meant for it."""
    service = Service("api", settings=Settings(handlers={"api.restrat": {"budget": "1/1h"}}))
    made(service)
    with pytest.raises(ConfigurationError, match="api has no handler 'restrat'; it has: restart"):
        _ = service.broker


def test_a_hold_outlives_no_record() -> None:
    """Two settings that contradict each other are refused, and both are named."""
    with pytest.raises(
        ConfigurationError, match="hold 2d must be shorter than record_retention 1d"
    ):
        Settings(hold="2d", record_retention="1d")

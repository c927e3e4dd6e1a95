"""What a handler reacts to: choices that are none are refused, with what to write instead."""

from typing import Any, Optional, Union

import pytest

from antiphon import Service, all_of
from antiphon.errors import ConfigurationError
from antiphon_events import ServiceDegraded, ServiceFailed

_ONE_BY_ONE = "is a union, not a type of event: give the types one by one, service.on("


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (
            ServiceFailed | ServiceDegraded,
            f"ServiceFailed | ServiceDegraded {_ONE_BY_ONE}ServiceFailed, ServiceDegraded)",
        ),
        (
            Union[ServiceFailed, ServiceDegraded],  # noqa: UP007
            f"ServiceFailed | ServiceDegraded {_ONE_BY_ONE}ServiceFailed, ServiceDegraded)",
        ),
        (
            Optional[ServiceFailed],  # noqa: UP045
            f"ServiceFailed | NoneType {_ONE_BY_ONE}ServiceFailed)",
        ),
        ("service.failed", "'service.failed' is neither a type of event nor a selector"),
        (None, "None is neither a type of event nor a selector"),
        (int, "<class 'int'> is neither a type of event nor a selector"),
        (
            ServiceFailed(subject="orders-db"),
            "one event of ServiceFailed about 'orders-db' selects none: give its type",
        ),
        ([ServiceFailed] * 99, "is neither a type of event nor a selector"),
    ],
    ids=["union", "Union", "Optional", "text", "None", "another-class", "event", "list"],
)
def test_what_selects_no_events_is_refused(choice: Any, says: str) -> None:
    """The message names what was given and what to write, on one short line, wherever it is."""
    service = Service("orders-db")
    for given in (
        lambda: service.on(choice),
        lambda: service.on(all_of(ServiceFailed, choice)),
        lambda: service.goal(ServiceFailed, choice),
    ):
        with pytest.raises(ConfigurationError) as refused:
            given()
        assert says in str(refused.value)
        assert len(str(refused.value)) < 350
        assert "\n" not in str(refused.value)


def test_a_join_has_no_join_as_a_branch() -> None:
    """A join of joins is refused where it is written."""
    inner: Any = all_of(ServiceFailed, ServiceDegraded)
    with pytest.raises(ConfigurationError, match="not of a join"):
        all_of(ServiceFailed, inner)

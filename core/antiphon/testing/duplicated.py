"""Every effect twice: what a handler bears that is idempotent, and no other.

The first run stands for an attempt whose worker died after its effect and before its commit, the
second for the attempt that takes over.
Source: the Duplicator of Watermill.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from antiphon.errors import PermanentError
from antiphon.handler import Handler
from antiphon.recovery import Recovery
from antiphon.service import Service
from antiphon.testing.around import Calls, Given, around
from antiphon.testing.twin import Twin

Same = Callable[[Any, Any], bool]
"""Whether two events say the same."""


class NotIdempotent(PermanentError):
    """A second run for the same event published something else than the first."""


def duplicated(service: Service, *, same: Same = operator.eq) -> Service:
    """Return the service with every handler, and whatever undoes one, running twice in a row.

    Both runs have the same arguments, and a `Recovery` of their own with the same attempt and
    token. What the second publishes is committed, as it would be in a takeover; what the first
    published must be the same, or the delivery dies of `NotIdempotent`. An error of either run is
    the delivery's. That the world is as if it had run once is for the test to assert.

    Both runs share one timeout, and what is injected into them.

    Args:
        service: stays untouched.
        same: whether an event of the first run and its counterpart of the second say the same;
            that they are equal unless given.
    """

    def twice(handler: Handler) -> Handler:
        return around(handler, lambda one: lambda given: _twice(one, given, same))

    return Twin(service, change=twice)


def _twice(handler: Handler, given: Given, same: Same) -> Calls:
    asked = handler.signature.recovery
    if asked is None:
        first, second = _told((yield given)), _told((yield given))
    else:
        recovery: Recovery = given[asked]
        views = _view(recovery), _view(recovery)
        first = _told((yield {**given, asked: views[0]}), views[0])
        second = _told((yield {**given, asked: views[1]}), views[1])
        _compare(handler, *(_put_off(view) for view in views), same=same)
        _hand_over(views[1], recovery)
    _compare(handler, first, second, same=same)
    return second


def _compare(handler: Handler, first: list[object], second: list[object], *, same: Same) -> None:
    if len(first) != len(second) or not all(map(same, first, second)):
        raise NotIdempotent(
            f"{handler.group} published {_words(first)} when it ran first, and {_words(second)} "
            "when it ran again for the same event"
        )


def _view(recovery: Recovery) -> Recovery:
    """The same delivery as another run of its handler sees it: nothing published yet."""
    return Recovery(
        recovery.envelope,
        attempt=recovery.attempt,
        token=recovery.token,
        deadline=recovery.deadline,
        reporter=recovery.progress,
        log_fields=recovery.log_fields,
        guard=lambda breaker, _name: recovery.breaker(breaker),
        undoing=recovery.undoing,
    )


def _put_off(view: Recovery) -> list[object]:
    """The events that one run puts off, and those it starts recoveries with."""
    return [*(event for event, _ in view.later), *(event for _, event in view.children)]


def _hand_over(view: Recovery, recovery: Recovery) -> None:
    """Commit what a run puts off and starts: it is not in what it returns."""
    recovery._later.extend(view.later)  # noqa: SLF001  under the ids that the run was told
    recovery._children.extend(view.children)  # noqa: SLF001  as above


def _told(result: object, view: Recovery | None = None) -> list[object]:
    """Everything one run publishes, in order."""
    several = isinstance(result, list | tuple)
    returned = [] if result is None else [*result] if several else [result]  # type: ignore[misc]
    return [*returned, *(view.published if view else ())]


def _words(events: list[object]) -> str:
    return ", ".join(map(repr, events)) or "nothing"

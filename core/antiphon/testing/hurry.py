"""Less waiting, so that a test of what comes later is quick.

The server's clock cannot be wound, so declared times are made shorter instead, and nothing else is:
attempts are as many, and what guards count and hold is counted and held as ever.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from datetime import timedelta

from antiphon.errors import ConfigurationError, TransientError
from antiphon.flow.approval import Approval
from antiphon.handler import Handler
from antiphon.recovery import Recovery, current
from antiphon.retry import Retry
from antiphon.settings import Settings
from antiphon.testing.around import Calls, Given, around

LONGEST_DELAY = timedelta(milliseconds=20)
"""The most that lies between a failed attempt and the next, or between an event and a handler that
puts it off, in a plain hurry."""

_SHORTEST = timedelta(milliseconds=1)

Hurry = bool | float
"""Whether delays are cut, or how many times as fast all declared times pass."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much shorter declared times become.

    A *delay* is what a recovery waits for before it goes on: the next attempt, an event put off.
    A *limit* is what ends something that is not done: a join's or an approval's `within`, a
    deadline. A plain hurry leaves limits alone, for a shorter one may end what was well.

    Raises:
        ConfigurationError: time would stand still, or pass more slowly.
    """

    hurry: Hurry

    def __post_init__(self) -> None:
        fast = self.hurry >= 1 and math.isfinite(self.hurry)
        if not isinstance(self.hurry, bool) and not fast:
            raise ConfigurationError(
                f"hurry={self.hurry!r}: use True, or how many times as fast time passes, such as "
                "1000"
            )

    @property
    def plain(self) -> bool:
        """Whether delays are cut, and limits left alone."""
        return isinstance(self.hurry, bool)

    def delay(self, value: timedelta) -> timedelta:
        """How long something is waited for instead."""
        return min(value, LONGEST_DELAY) if self.plain else self._fraction(value)

    def limit(self, value: timedelta) -> timedelta:
        """How long something may last instead."""
        return value if self.plain else self._fraction(value)

    def handler(self, handler: Handler) -> Handler:
        """The handler at this pace, whoever asks for its delays."""
        if self.hurry is False:
            return handler
        hurried = around(handler, lambda _: self._hurry)
        course, retry = hurried.course, hurried.retry
        return replace(
            hurried,
            retry=Retry(
                retry.attempts, first=self.delay(retry.first), longest=self.delay(retry.longest)
            ),
            course=replace(
                course,
                within=None if course.within is None else self.limit(course.within),
                approval=course.approval and self._approval(course.approval),
            ),
        )

    def settings(self, settings: Settings) -> Settings:
        """The settings with deadlines at this pace."""
        if self.plain:
            return settings
        deadline = settings.deadline
        recoveries = {
            type_: terms.model_copy(update={"deadline": self.limit(terms.deadline)})
            if terms.deadline
            else terms
            for type_, terms in settings.recoveries.items()
        }
        update = {"deadline": deadline and self.limit(deadline), "recoveries": recoveries}
        return settings.model_copy(update=update)

    def _approval(self, approval: Approval) -> Approval:
        first, *further = approval.tiers
        return Approval(
            first,
            then=further,
            quorum=approval.quorum,
            within=None if approval.within is None else self.limit(approval.within),
            otherwise=approval.otherwise,
        )

    def _hurry(self, given: Given) -> Calls:
        try:
            result = yield given
        except TransientError as error:
            if error.retry_after is not None:
                error.retry_after = self.delay(error.retry_after)
            raise
        recovery = current.get()
        if recovery is not None:
            self._bring_forward(recovery)
        return result

    def _bring_forward(self, recovery: Recovery) -> None:
        """Shorten what an outcome puts off; what was to come later still does."""
        later = recovery._later  # noqa: SLF001  a worker has no need to change it
        shorter = [self.delay(after) for after in sorted({after for _, after in later})]
        rising = itertools.accumulate(shorter, lambda last, this: max(last + _SHORTEST, this))
        instead = dict(zip(sorted({after for _, after in later}), rising, strict=True))
        later[:] = [(event, instead[after]) for event, after in later]

    def _fraction(self, value: timedelta) -> timedelta:
        return max(value / self.hurry, _SHORTEST)

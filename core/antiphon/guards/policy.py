"""What guards one handler: what its code asks for, and what the deployment says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from antiphon.duration import format_duration
from antiphon.errors import ConfigurationError
from antiphon.guards.breaker import Breaker
from antiphon.guards.quota import Budget, Quota
from antiphon.settings import HandlerGuards, Settings

if TYPE_CHECKING:
    from antiphon.handler import Handler

_NOTHING = HandlerGuards()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The guards a handler asks for in code; what is None is left to the settings."""

    budget: Budget | None = None
    rate: Quota | None = None
    service_rate: Quota | None = None
    breaker: Breaker | None = None
    exclusive: str | None = None
    """The resource that one delivery holds at a time: a format over the event's fields."""
    max_age: timedelta | None = None
    """Zero: any age."""
    max_visits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The guards of one handler as they are in force."""

    budget: Budget | None
    rates: tuple[tuple[str, Quota], ...]
    """Each rate that a delivery of it counts against, and what shares it."""
    max_age: timedelta
    """Zero: any age."""
    max_visits: int

    @classmethod
    def of(cls, handler: Handler, settings: Settings) -> Policy:
        """Put together what code and deployment say; the deployment has the last word."""
        code, said = handler.guards, settings.handlers.get(handler.group, _NOTHING)
        given, service = said.model_fields_set, settings.services.get(handler.service)
        budget, rate, max_age = code.budget, code.rate, code.max_age
        if "budget" in given:
            action = budget.action if budget else None
            quota = said.budget
            budget = Budget(quota.limit, per=quota.per, action=action) if quota else None
        if "rate" in given:
            rate = said.rate
        if "max_age" in given:
            max_age = said.max_age or timedelta()
        elif max_age is None:
            max_age = settings.max_age or timedelta()
        rates = (
            (f"handler:{handler.group}", rate),
            (f"service:{handler.service}", service.rate if service else code.service_rate),
            ("cell", settings.rate),
        )
        return cls(
            budget=budget,
            rates=tuple((name, quota) for name, quota in rates if quota is not None),
            max_age=max_age,
            max_visits=said.max_visits or code.max_visits or settings.max_visits,
        )


def check(handler: Handler, settings: Settings) -> None:
    """Refuse settings that contradict each other for a handler.

    Raises:
        ConfigurationError: the message names both values.
    """
    longest = handler.retry.longest_wait
    if longest >= settings.key_retention:
        raise ConfigurationError(
            f"{handler.group}: its {handler.retry.attempts} attempts may be "
            f"{format_duration(longest)} apart in all, and key_retention "
            f"(ANTIPHON_KEY_RETENTION) is {format_duration(settings.key_retention)}: a duplicate "
            "that comes late would find its idempotency key forgotten and do the work twice"
        )
    breaker = handler.guards.breaker
    if breaker and breaker.reset_timeout >= settings.key_retention:
        raise ConfigurationError(
            f"{handler.group}: reset_timeout {format_duration(breaker.reset_timeout)} must be "
            f"shorter than key_retention {format_duration(settings.key_retention)}"
        )

"""What a handler's guards ask of the admit script: keys and arguments, in the order it expects."""

from __future__ import annotations

from antiphon.broker.scripts import Argument
from antiphon.delivery import Delivery
from antiphon.duration import milliseconds
from antiphon.guards.breaker import Breaker
from antiphon.guards.policy import Policy
from antiphon.handler import Handler
from antiphon.keys import Keys
from antiphon.settings import Settings


class Asks:
    """The guards of one handler, written for the script once."""

    def __init__(self, handler: Handler, keys: Keys, settings: Settings) -> None:
        policy = Policy.of(handler, settings)
        self._keys = keys
        self._lease_ms = milliseconds(settings.lease)
        self._budget = policy.budget
        self._breaker = handler.guards.breaker
        self._action = (policy.budget and policy.budget.action) or handler.name
        self._rate_keys = tuple(
            key
            for name, _ in policy.rates
            for key in (keys.guard("rate", name), keys.queue("rate", name))
        )
        self._rate_args: tuple[Argument, ...] = tuple(
            argument
            for name, quota in policy.rates
            for argument in ("rate", name, quota.limit, milliseconds(quota.per))
        )
        self._quiet = not (policy.budget or self._breaker or handler.guards.exclusive)
        self.limits = (
            f"{milliseconds(policy.max_age)} {settings.max_hops} {settings.max_events} "
            f"{policy.max_visits}"
        )
        """What `limits.lua` reads: ages and counts that no delivery of the handler goes beyond."""

    def of(self, d: Delivery) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
        """Keys and arguments of the guards that one delivery passes, the cheapest refusal first."""
        if self._quiet:
            return self._rate_keys, self._rate_args
        keys, args = [*self._rate_keys], [*self._rate_args]
        if self._breaker is not None:
            b = self._breaker
            keys.append(self._keys.guard("breaker", d.circuit))
            reset_ms = milliseconds(b.reset_timeout)
            args += ["breaker", d.circuit, b.fail_max, reset_ms, self._lease_ms, b.on_open]
        if d.resource:
            keys += [
                self._keys.guard("exclusive", d.resource),
                self._keys.queue("exclusive", d.resource),
            ]
            args += ["exclusive", d.resource, self._lease_ms]
        if self._budget is not None:
            name = f"{self._action}:{d.envelope.subject}"
            keys.append(self._keys.guard("budget", name))
            args += ["budget", name, self._budget.limit, milliseconds(self._budget.per)]
        return tuple(keys), tuple(args)


def limits_of(breaker: Breaker) -> str:
    """What `release.lua` reads of a breaker."""
    return f"{breaker.fail_max} {milliseconds(breaker.reset_timeout)} {breaker.success_threshold}"


def onset(settings: Settings) -> str:
    """What `incident.lua` reads when a failure opens a recovery."""
    s = settings
    first = milliseconds(s.escalate_after[0]) if s.escalate_after else "never"
    hold_ms = milliseconds(s.hold) if s.hold else 0
    storm = f"{s.storm.limit} {milliseconds(s.storm.per)}" if s.storm else "0 0"
    relapses = f"{s.relapses.limit} {milliseconds(s.relapses.per)}"
    return f"{hold_ms} {relapses} {storm} {first} {int(s.coalesce)}"

"""What a handler's guards ask of the admit script: keys and arguments, in the order it expects."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.broker.scripts import Argument
from antiphon.delivery import Delivery
from antiphon.duration import milliseconds
from antiphon.guards.breaker import Breaker
from antiphon.guards.policy import Policy
from antiphon.guards.quota import Quota
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
        self._rates = _rates(keys, policy.rates)
        self._own_rates = _rates(keys, [(n, q) for n, q in policy.rates if n.startswith("handler")])
        self._quiet = not (policy.budget or self._breaker or handler.guards.exclusive)
        self.limits = (
            f"{milliseconds(policy.max_age)} {settings.max_hops} {settings.max_events} "
            f"{policy.max_visits}"
        )
        """What `limits.lua` reads: ages and counts that no delivery of the handler goes beyond."""

    def of(self, d: Delivery, *, alarm: bool) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
        """Keys and arguments of the guards that one delivery passes, the cheapest refusal first.

        An alarm, by which people get to know, shares no rate with what it tells of.
        """
        rates = self._own_rates if alarm else self._rates
        if self._quiet:
            return rates
        keys, args = [*rates[0]], [*rates[1]]
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


def _rates(
    keys: Keys, rates: Sequence[tuple[str, Quota]]
) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
    asked: list[Argument] = []
    named: list[str] = []
    for name, quota in rates:
        named += [keys.guard("rate", name), keys.queue("rate", name)]
        asked += ["rate", name, quota.limit, milliseconds(quota.per)]
    return tuple(named), tuple(asked)


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

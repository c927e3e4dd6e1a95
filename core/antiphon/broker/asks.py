"""What a handler's guards ask of the admit script: keys and arguments, in the order it expects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import orjson

from antiphon.broker.scripts import Argument
from antiphon.delivery import Delivery
from antiphon.duration import milliseconds
from antiphon.flow.approval import Approval
from antiphon.flow.join import branch_name
from antiphon.guards.breaker import Breaker
from antiphon.guards.policy import Policy
from antiphon.guards.quota import Quota
from antiphon.handler import Handler
from antiphon.keys import Keys
from antiphon.settings import Settings
from antiphon_events import ApprovalExpired, ApprovalRequested

_FEW = 16
"""Up to so many branches a join names with every delivery, and beyond that when it is asked."""


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
        self._approval = _approval(handler.course.approval)
        self._quiet = not (
            policy.budget or self._breaker or handler.guards.exclusive or self._approval
        )
        self.limits = (
            f"{milliseconds(policy.max_age)} {settings.max_hops} {settings.max_events} "
            f"{policy.max_visits}"
        )
        """What `limits.lua` reads: ages and counts that no delivery of the handler goes beyond."""
        self.join, self.branches = _join(handler)
        """What `join.lua` reads of the handler's join."""
        self.few = handler.join is None or len(handler.join.branches) <= _FEW
        """Whether its branches are named each time, and not only when the script asks."""
        self.brings = " ".join(kind.type for kind in handler.signature.completions)
        """What `race.lua` reads: the types of event the handler says it brings."""

    def of(self, d: Delivery, *, alarm: bool) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
        """Keys and arguments of the guards that one delivery passes, the cheapest refusal first.

        An alarm, by which people get to know, shares no rate with what it tells of.
        """
        rates = self._own_rates if alarm else self._rates
        if self._quiet:
            return rates
        keys, args = list[str](), list[Argument]()
        if self._approval and not d.undo:
            name = approval_id(d)
            keys += approval_keys(self._keys, name)
            args += ["approval", name, *self._approval]
        keys += rates[0]
        args += rates[1]
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
        if self._budget is not None and not d.undo:
            name = f"{self._action}:{d.envelope.subject}"
            keys.append(self._keys.guard("budget", name))
            args += ["budget", name, self._budget.limit, milliseconds(self._budget.per)]
        return tuple(keys), tuple(args)


def _join(handler: Handler) -> tuple[str, Argument]:
    """How long a join waits, how many branches it has, what becomes of losers; and its branches."""
    join, within = handler.join, handler.course.within
    if join is None:
        return "0 0 ignore", ""
    branches = {
        branch_name(branch): (branch.event.type, sorted(branch.subjects) or ["*"])
        for branch in join.branches
    }
    within_ms = milliseconds(within) if within is not None else 0
    return f"{within_ms} {len(branches)} {join.losers}", orjson.dumps(branches)


def _approval(approval: Approval | None) -> tuple[Argument, ...]:
    """What `approval.lua` reads of what a handler declares, after the request's id."""
    if approval is None:
        return ()
    within_ms = milliseconds(approval.within) if approval.within is not None else 0
    tiers = orjson.dumps([list(tier) for tier in approval.tiers])
    return (approval.quorum, within_ms, approval.otherwise, tiers)


def approval_id(d: Delivery) -> str:
    """The id of the request for approval of one delivery; the same on every worker."""
    # Whichever branch completes a join, it is the same step.
    step = f"{d.handler.group}|{d.key}" if d.handler.join else d.name
    named = f"{d.envelope.correlation_id}|{step}".encode()
    return hashlib.sha256(named).hexdigest()[:12]


def approval_keys(keys: Keys, approval_id: str) -> tuple[str, ...]:
    """The keys of a request for approval, in the order `approval.lua` expects them."""
    return (
        keys.approval(approval_id),
        keys.approvals,
        keys.events(ApprovalRequested.type),
        keys.events(ApprovalExpired.type),
    )


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


def onset(settings: Settings, event_type: str) -> str:
    """What `open` and `incident.lua` read when an event of a type opens a recovery."""
    s = settings
    terms = s.recoveries.get(event_type)
    deadline, partial = s.deadline, s.partial
    if terms is not None and "deadline" in terms.model_fields_set:
        deadline = terms.deadline
    if terms is not None and terms.partial is not None:
        partial = terms.partial
    due_ms = milliseconds(deadline) if deadline else 0
    first = milliseconds(s.escalate_after[0]) if s.escalate_after else "never"
    hold_ms = milliseconds(s.hold) if s.hold else 0
    storm = f"{s.storm.limit} {milliseconds(s.storm.per)}" if s.storm else "0 0"
    relapses = f"{s.relapses.limit} {milliseconds(s.relapses.per)}"
    return f"{due_ms} {partial} {first} {hold_ms} {relapses} {storm} {int(s.coalesce)}"

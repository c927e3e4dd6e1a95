"""What guards decided and noticed, said in the log and counted."""

from __future__ import annotations

from typing import Any, assert_never

from antiphon.broker.replies import (
    Admission,
    Arrived,
    Closed,
    Duplicate,
    Late,
    NotOurs,
    OnHold,
    Onset,
    Outrun,
    Run,
    Suppressed,
    Waiting,
)
from antiphon.closing import say_closed
from antiphon.flow.approval import Approval
from antiphon.telemetry.metrics import decided
from antiphon.telling import Told, say_told

UNANSWERED = "nobody answered in time"
"""What `consent.lua` says of a step that was given up because nobody answered."""


def say_refusal(why: Admission, key: str, correlation_id: str, log: Any) -> None:
    """Say it with a logger that knows the delivery; `key` is its idempotency key."""
    match why:
        case Duplicate() | Waiting():
            _say_repeated(why, key, log)
        case Outrun() | Late() | Arrived():
            _say_joined(why, log)
        case Closed():
            log.debug("delivery.closed")
        case NotOurs():
            log.info("delivery.not_ours")
        case OnHold():
            _say_held(why, log)
        case Suppressed():
            _say_suppressed(why, log)
        case Run():
            raise AssertionError(why)
        case _:
            assert_never(why)
    if isinstance(why, Arrived | Duplicate | Late | Outrun | Suppressed):
        say_closed(why.closing, correlation_id, log)


def say_onset(onset: Onset, log: Any) -> None:
    """Say what a guard noticed when a failure opened a recovery."""
    if not onset.told:
        decided(onset.guard, "noticed")
    if onset.guard == "relapse":
        log.warning("recovery.relapsed", of=onset.of, value=onset.value, limit=onset.limit)
    if onset.told:
        told = Told(
            guard=onset.guard,
            name=onset.name,
            limit=onset.limit,
            value=onset.value,
            why=onset.why,
        )
        say_told(told, log)


def say_approval(why: OnHold | Suppressed, approval: Approval | None, log: Any) -> None:
    """Say whom a step waits for, that they did not answer in time, and that people were told."""
    within = approval is not None and approval.within is not None
    if isinstance(why, Suppressed):
        if why.why == UNANSWERED:
            log.warning("approval.expired", approval=why.name, otherwise="deny")
    elif why.fresh:
        log.warning(
            "approval.requested",
            approval=why.name,
            who=list(approval.tiers[0]) if approval else [],
            quorum=why.limit,
            otherwise=approval.otherwise if approval else "",
            due_ms=why.due_ms if within else None,
            then=[list(tier) for tier in approval.tiers[1:]] if approval else [],
        )
    elif why.expired:
        follows = "escalate" if why.told else "next tier"
        due_ms = None if why.told else why.due_ms
        log.warning("approval.expired", approval=why.name, otherwise=follows, due_ms=due_ms)
    if isinstance(why, OnHold) and why.told:
        reason = "nobody gave an approval in time"
        told = Told(guard="approval", name=why.name, limit=why.limit, value=0, why=reason)
        say_told(told, log)


def say_unapproved(approval: str, log: Any) -> None:
    """Say that a step runs because nobody had answered in time."""
    decided("approval", "proceeded")
    log.warning("approval.expired", approval=approval, otherwise="proceed")


def _say_repeated(why: Duplicate | Waiting, key: str, log: Any) -> None:
    if isinstance(why, Duplicate):
        decided("idempotency", "duplicate")
        log.info("delivery.duplicate", of=why.of, key=key)
    else:
        decided("idempotency", "waiting")
        log.info("delivery.waiting", of=why.of, due_ms=why.due_ms, key=key)


def _say_joined(why: Arrived | Late | Outrun, log: Any) -> None:
    """Say what became of a branch, or of a step that no join needs any more."""
    if isinstance(why, Arrived):
        log.info("delivery.joined", have=why.have, need=why.need, due_ms=why.due_ms)
    elif isinstance(why, Late):
        log.warning("branch.late")
    else:
        log.info("step.outrun", by=why.by, attempts=why.attempts or None)


def _say_held(why: OnHold, log: Any) -> None:
    """A hold is said when it begins, not each time it is looked at again."""
    decided(why.guard, "held")
    if why.fresh:
        log.info(
            "delivery.held",
            guard=why.guard,
            name=why.name,
            limit=why.limit,
            value=why.value,
            due_ms=why.due_ms,
        )


def _say_suppressed(why: Suppressed, log: Any) -> None:
    """Say which guard ended a delivery, what that stopped, and whether people were told."""
    counts: dict[str, Any] = {
        "guard": why.guard,
        "name": why.name,
        "limit": why.limit,
        "value": why.value,
    }
    decided(why.guard, "suppressed")
    log.warning(
        "delivery.suppressed",
        **counts,
        opens_ms=why.opens_ms or None,
        reason=why.why,
        attempts=why.attempts or None,
    )
    if why.path:
        decided(why.guard, "halted")
        log.error("recovery.halted", **counts, path=why.path)
    if why.told:
        say_told(Told(**counts, why=why.why), log)

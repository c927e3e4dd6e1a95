"""The flow of a recovery as JSON, as `antiphon.trace.document` writes the rest of a trace."""

from __future__ import annotations

from typing import Any

from antiphon.instants import iso
from antiphon.trace.approvals import Answer, Approval, Expiry
from antiphon.trace.flow import (
    Cancellation,
    Child,
    JoinTimeout,
    Rollback,
    Scheduled,
    Stall,
    Win,
)


def scheduled(it: Scheduled) -> dict[str, Any]:
    """Describe an event that was put off."""
    return {
        "id": it.id,
        "type": it.type,
        "subject": it.subject,
        "cause": it.cause or None,
        "by": it.by or None,
        "at": iso(it.at),
        "due": iso(it.due),
        "dropped": iso(it.dropped),
    }


def timeout(it: JoinTimeout) -> dict[str, Any]:
    """Describe a join that gave up."""
    return {
        "group": it.group,
        "at": iso(it.at),
        "have": it.have,
        "need": it.need,
        "missing": list(it.missing),
        "event": it.event_id or None,
    }


def win(it: Win | None) -> dict[str, Any] | None:
    """Describe which branch was enough for a join."""
    return (
        None
        if it is None
        else {"at": iso(it.at), "branch": it.branch or None, "losers": it.losers or None}
    )


def approval(it: Approval) -> dict[str, Any]:
    """Describe whom a step asked, and what they said."""
    return {
        "id": it.id,
        "state": it.state,
        "group": it.group or None,
        "event": it.event_id or None,
        "entry": it.entry or None,
        "requester": it.requester or None,
        "asked": iso(it.asked),
        "who": list(it.who),
        "quorum": it.quorum,
        "tier": it.tier,
        "due": iso(it.due),
        "otherwise": it.otherwise or None,
        "votes": [_answer(vote) for vote in it.votes],
        "granted": iso(it.granted),
        "denial": it.denial and _answer(it.denial),
        "expiries": [_expiry(missed) for missed in it.expiries],
    }


def child(it: Child) -> dict[str, Any]:
    """Describe a recovery that this one started."""
    return {
        "id": it.id,
        "type": it.type or None,
        "subject": it.subject or None,
        "by": it.by or None,
        "cause": it.cause or None,
        "at": iso(it.at),
        "closed": iso(it.closed),
        "verdict": it.verdict or None,
        "event": it.event_id or None,
    }


def stall(it: Stall | None) -> dict[str, Any] | None:
    """Describe what was outstanding when the deadline passed."""
    return (
        None
        if it is None
        else {
            "at": iso(it.at),
            "deadline": iso(it.deadline),
            "outstanding": list(it.outstanding),
        }
    )


def cancellation(it: Cancellation | None) -> dict[str, Any] | None:
    """Describe who ended the recovery, and why."""
    return None if it is None else {"at": iso(it.at), "by": it.by, "reason": it.reason or None}


def rollback(it: Rollback | None) -> dict[str, Any] | None:
    """Describe what was to be undone."""
    return (
        None if it is None else {"at": iso(it.at), "verdict": it.verdict or None, "steps": it.steps}
    )


def _answer(it: Answer) -> dict[str, Any]:
    return {"at": iso(it.at), "by": it.by, "reason": it.reason or None}


def _expiry(it: Expiry) -> dict[str, Any]:
    return {"at": iso(it.at), "tier": it.tier, "otherwise": it.otherwise or None}

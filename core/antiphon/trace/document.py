"""A trace as JSON: stable keys, instants in ISO 8601, durations in milliseconds.

Keys are only ever added. A value that is not known is null, never left out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from antiphon.instants import iso
from antiphon.trace import flow_document
from antiphon.trace.decisions import (
    Acknowledgement,
    Discard,
    Escalation,
    Guard,
    Halt,
    Hold,
    Relapse,
    Suppression,
)
from antiphon.trace.parts import Attempt, CriticalPath, Outstanding, Step, TracedEvent

if TYPE_CHECKING:
    from antiphon.trace.slack import Idle, Parallel


def milliseconds(length: timedelta | None) -> int | None:
    """Write a duration rounded to whole milliseconds, or null."""
    return None if length is None else round(length / timedelta(milliseconds=1))


def event(it: TracedEvent) -> dict[str, Any]:
    """Describe an event."""
    return {
        "id": it.id,
        "type": it.type,
        "subject": it.subject,
        "time": iso(it.time),
        "cause": it.cause or None,
        "by": it.by or None,
        "entry": it.entry or None,
    }


def step(it: Step, as_of: datetime) -> dict[str, Any]:
    """Describe a step with its attempts."""
    progress = it.progress
    return {
        "id": it.id,
        "group": it.group,
        "service": it.service,
        "handler": it.handler,
        "event": {"id": it.event_id, "type": it.event_type, "subject": it.subject},
        "entry": it.entry,
        "outcome": it.outcome.value,
        "start": iso(it.start),
        "end": iso(it.end),
        "duration_ms": milliseconds(it.lasted(as_of)),
        "due": iso(it.due),
        "of": it.of or None,
        "note": it.note or None,
        "replay_of": it.replay_of or None,
        "dead_letter": it.dead or None,
        "progress": progress
        and {
            "at": iso(progress.at),
            "fraction": progress.fraction,
            "message": progress.message,
        },
        "attempts": [_attempt(a) for a in it.attempts],
        "holds": [_hold(h) for h in it.holds],
        "key_waits": [
            {"of": w.of or None, "since": iso(w.since), "until": iso(w.until)} for w in it.key_waits
        ],
        "suppression": _suppression(it.suppression),
        "undo_of": it.undo_of or None,
        "won": flow_document.win(it.won),
        "published": list(it.published),
    }


def relapse(it: Relapse | None) -> dict[str, Any] | None:
    """Describe of which recovery this one is a relapse."""
    return (
        None
        if it is None
        else {
            "of": it.of,
            "at": iso(it.at),
            "value": it.value,
            "limit": it.limit,
            "within_ms": milliseconds(it.within),
        }
    )


def halt(it: Halt | None) -> dict[str, Any] | None:
    """Describe the limit that stopped the recovery, and the way there."""
    return (
        None
        if it is None
        else {
            **_guard(it.guard),
            "at": iso(it.at),
            "group": it.group or None,
            "event": it.event_id or None,
            "path": it.path,
        }
    )


def escalation(it: Escalation) -> dict[str, Any]:
    """Describe what people were told."""
    return {
        **_guard(it.guard),
        "at": iso(it.at),
        "event": it.event_id or None,
        "why": it.why,
        "tier": it.tier,
    }


def acknowledgement(it: Acknowledgement | None) -> dict[str, Any] | None:
    """Describe who knows of it."""
    return None if it is None else {"at": iso(it.at), "by": it.by, "why": it.why or None}


def discard(it: Discard) -> dict[str, Any]:
    """Describe a dead letter that was thrown away."""
    return {
        "at": iso(it.at),
        "dead_letter": it.dead,
        "group": it.group or None,
        "event": it.event_id or None,
        "by": it.by or None,
        "reason": it.reason or None,
    }


def owed(it: Outstanding) -> dict[str, Any]:
    """Describe a piece of outstanding work."""
    return {
        "id": it.id,
        "type": it.type,
        "entry": it.entry,
        "group": it.group or None,
        "since": iso(it.since),
        "words": it.words,
    }


def path(it: CriticalPath) -> dict[str, Any]:
    """Describe the critical path by the ids of its steps."""
    return {
        "steps": [s.id for s in it.steps],
        "duration_ms": milliseconds(it.duration),
        "working_ms": milliseconds(it.working),
        "waiting_ms": milliseconds(it.waiting),
    }


def idle(it: Idle) -> dict[str, Any]:
    """Describe a wait that nothing required."""
    return {
        "step": it.step.id,
        "since": iso(it.since),
        "until": iso(it.until),
        "duration_ms": milliseconds(it.length),
        "why": it.why,
    }


def parallel(it: Parallel) -> dict[str, Any]:
    """Describe two steps that could perhaps run side by side."""
    return {
        "first": it.first.id,
        "second": it.second.id,
        "saves_ms": milliseconds(it.saves),
    }


def _guard(it: Guard) -> dict[str, Any]:
    return {"guard": it.kind, "name": it.name or None, "limit": it.limit, "value": it.value}


def _hold(it: Hold) -> dict[str, Any]:
    return {
        **_guard(it.guard),
        "since": iso(it.since),
        "due": iso(it.due),
        "until": iso(it.until),
    }


def _suppression(it: Suppression | None) -> dict[str, Any] | None:
    return (
        None
        if it is None
        else {
            **_guard(it.guard),
            "at": iso(it.at),
            "opens": iso(it.opens),
            "why": it.why,
        }
    )


def _attempt(it: Attempt) -> dict[str, Any]:
    return {
        "no": it.no,
        "consumer": it.consumer,
        "start": iso(it.start),
        "end": iso(it.end),
        "duration_ms": milliseconds(it.duration),
        "outcome": it.outcome.value,
        "error": it.error,
        "taken_over_from": it.taken_over_from,
        "due": iso(it.due),
        "refused": iso(it.refused),
    }

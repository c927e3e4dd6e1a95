"""The document of a choreography, and that of its findings, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from antiphon.choreography.aim import Aim
from antiphon.choreography.choreography import Choreography
from antiphon.choreography.emission import How
from antiphon.choreography.fact import Fact
from antiphon.choreography.finding import Finding
from antiphon.choreography.part import Part, Trigger
from antiphon.duration import format_duration
from antiphon.flow.approval import Approval


def document(choreography: Choreography) -> dict[str, Any]:
    """Describe handlers, events, what leads to what, and what it is for."""
    return {
        "services": list(choreography.services),
        "handlers": [_handler(part) for part in choreography.parts],
        "events": [_event(choreography, fact) for fact in choreography.facts],
        "edges": [
            *({"event": str(f), "triggers": p.group} for f, p in choreography.reactions),
            *(
                {
                    "handler": p.group,
                    "publishes": str(f),
                    "how": str(emission.how),
                    "sure": f.subject is None,
                }
                for p in choreography.parts
                for f, emission in choreography.outcomes(p)
            ),
        ],
        "goals": [_aim(aim) for aim in choreography.aims],
    }


def findings_document(findings: Iterable[Finding]) -> dict[str, Any]:
    """Describe findings; it is `ok` when all are accepted."""
    known = list(findings)
    return {
        "ok": all(finding.accepted is not None for finding in known),
        "findings": [
            {
                "code": str(finding.code),
                "severity": str(finding.severity),
                "handler": finding.group,
                "file": finding.file,
                "line": finding.line,
                "message": finding.message,
                "remedy": finding.remedy,
                "accepted": finding.accepted,
            }
            for finding in known
        ],
    }


def _handler(part: Part) -> dict[str, Any]:
    return {
        "group": part.group,
        "service": part.service,
        "file": part.file,
        "line": part.line,
        "reacts_to": [_trigger(trigger) for trigger in part.triggers],
        "join": part.join
        and {
            "kind": part.join,
            "needed": part.needed,
            "of": len(part.triggers),
            "within": part.within and format_duration(part.within),
            "losers": part.losers,
        },
        "approval": part.approval and _approval(part.approval),
        "completes_with": [fact.type for fact in part.promised],
        "later": [
            {"type": one.fact.type, "after": one.after or None} for one in part.emits(How.LATER)
        ],
        "on_failure": [one.fact.type for one in part.emits(How.FAILURE)],
        "starts": [one.fact.type for one in part.emits(How.STARTS)],
        "undo": part.undo,
        "vague": part.vague,
        "guards": dict(part.guards),
    }


def _trigger(trigger: Trigger) -> dict[str, Any]:
    return {
        "type": trigger.type,
        "subjects": list(trigger.subjects),
        "conditional": trigger.conditional,
    }


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        "tiers": [list(tier) for tier in approval.tiers],
        "quorum": approval.quorum,
        "within": approval.within and format_duration(approval.within),
        "otherwise": approval.otherwise,
    }


def _aim(aim: Aim) -> dict[str, Any]:
    return {
        "service": aim.service,
        "file": aim.file,
        "line": aim.line,
        "failure": _trigger(aim.failure),
        "completion": _trigger(aim.completion),
    }


def _event(choreography: Choreography, fact: Fact) -> dict[str, Any]:
    return {
        "type": fact.type,
        "subject": fact.subject,
        "kind": str(fact.kind),
        "from": [part.group for part in choreography.publishers(fact.type)],
        "heard_by": [part.group for part in choreography.hearers(fact)],
    }

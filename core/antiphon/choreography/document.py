"""The document of a choreography, and that of its findings, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from antiphon.choreography.choreography import Choreography
from antiphon.choreography.fact import Fact
from antiphon.choreography.finding import Finding
from antiphon.choreography.part import Part


def document(choreography: Choreography) -> dict[str, Any]:
    """Describe handlers, events, and what leads to what."""
    return {
        "services": list(choreography.services),
        "handlers": [_handler(part) for part in choreography.parts],
        "events": [_event(choreography, fact) for fact in choreography.facts],
        "edges": [
            *({"event": str(f), "triggers": p.group} for f, p in choreography.reactions),
            *(
                {"handler": p.group, "publishes": str(f), "sure": f.subject is None}
                for p in choreography.parts
                for f in choreography.completions(p)
            ),
        ],
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
        "reacts_to": [
            {"type": t.type, "subjects": list(t.subjects), "conditional": t.conditional}
            for t in part.triggers
        ],
        "join": part.join and {"kind": part.join, "needed": part.needed, "of": len(part.triggers)},
        "completes_with": [fact.type for fact in part.promised],
        "vague": part.vague,
        "guards": dict(part.guards),
    }


def _event(choreography: Choreography, fact: Fact) -> dict[str, Any]:
    return {
        "type": fact.type,
        "subject": fact.subject,
        "kind": str(fact.kind),
        "from": [part.group for part in choreography.publishers(fact.type)],
        "heard_by": [part.group for part in choreography.hearers(fact)],
    }

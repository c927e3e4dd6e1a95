"""What people are told about an escalation or a request, in plain text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from antiphon import Recovery
from antiphon.advised import command
from antiphon.instants import instant, iso
from antiphon.trace.words import plain
from antiphon_events import ApprovalRequested, RecoveryEscalated

_LONGEST_TEXT = 1000
"""In characters: a message is read on a telephone, and what says more is in the trace."""

_MOST_TRIED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One escalation, or one request for approval, for one tier of people.

    All of its text is safe for a terminal: events come from whoever wrote them.

    Attributes:
        tried: what was tried, the earliest first.
        trace: the command that shows the whole story.
        acknowledge: the command after which nobody further up is told; of a request, the one that
            agrees to it.
        requester: who asked for the recovery of which a step waits for approval.
        refuse: the command that refuses a request; empty for an escalation.
        event_id: of the escalation or request; who is told of the same one twice knows it by that.
    """

    subject: str
    reason: str
    guard: str
    name: str
    limit: int
    value: int
    tier: int
    tried: tuple[str, ...]
    correlation_id: str
    event_id: str
    trace: str
    acknowledge: str
    refuse: str = ""
    requester: str = ""

    @classmethod
    def of(cls, event: RecoveryEscalated | ApprovalRequested, recovery: Recovery) -> Notice:
        """Write down what an event says, with the commands that its reader needs."""
        if isinstance(event, ApprovalRequested):
            return cls._request(event, recovery)
        # Made here and not taken from the event: a person is going to paste them into a shell.
        recovery_id = _line(recovery.correlation_id)
        return cls(
            subject=_line(event.subject),
            reason=_line(event.reason),
            guard=_line(event.guard),
            name=_line(event.name),
            limit=event.limit,
            value=event.value,
            tier=event.tier,
            tried=tuple(map(_line, event.tried)),
            correlation_id=recovery_id,
            event_id=_line(recovery.event_id),
            trace=command("trace", recovery_id),
            acknowledge=command("ack", recovery_id),
        )

    @classmethod
    def _request(cls, event: ApprovalRequested, recovery: Recovery) -> Notice:
        approval = _line(event.approval)
        who = " or ".join(map(_line, event.approvers)) or "anybody but who asked for it"
        until = f" until {iso(instant(event.expires_ms))}" if event.expires_ms else ""
        follows = f", otherwise: {_line(event.otherwise)}" if until else ""
        return cls(
            subject=_line(event.subject),
            reason=f"{_line(event.step)} waits for {event.quorum} of {who}{until}{follows}",
            guard="approval",
            name=_line(event.approval),
            limit=event.quorum,
            value=0,
            tier=event.tier,
            tried=(),
            correlation_id=_line(recovery.correlation_id),
            event_id=_line(recovery.event_id),
            trace=command("trace", _line(recovery.correlation_id)),
            acknowledge=command("approve", approval, "--reason WHY"),
            refuse=command("deny", approval, "--reason WHY"),
            requester=_line(event.requester),
        )

    @property
    def title(self) -> str:
        """The whole of it in one line."""
        needs = "an approval" if self.refuse else "a person"
        return f"{self.subject} needs {needs}" + (f" (tier {self.tier})" if self.tier > 1 else "")

    @property
    def body(self) -> str:
        """All that is known, one fact to a line, and what to do next."""
        if self.refuse:
            return "\n".join(
                [
                    f"What: {self.reason}",
                    f"Asked for by: {self.requester or 'somebody'}",
                    f"What happened: {self.trace}",
                    f"To agree: {self.acknowledge}",
                    f"To refuse: {self.refuse}",
                ]
            )
        facts = [f"Why: {self.reason or 'the event does not say'}"]
        if self.guard:
            facts.append(
                f"Guard: {self.guard} {self.name}, {self.value} with a limit of {self.limit}"
            )
        tried = self.tried[-_MOST_TRIED:]
        if more := len(self.tried) - len(tried):
            facts.append(f"Tried: {more} earlier steps, then")
        else:
            facts.append("Tried:" if tried else "Tried: nothing")
        facts += [f"  {what}" for what in tried]
        if self.tier > 1:
            facts.append(f"Tier: {self.tier}; nobody acknowledged it on the tier below")
        else:
            facts.append("Tier: 1")
        facts += [f"What happened: {self.trace}", f"To take it on: {self.acknowledge}"]
        return "\n".join(facts)

    def to_dict(self) -> dict[str, Any]:
        """Return the notice for JSON, with the instant at which it is told."""
        return {
            "at": iso(datetime.now(UTC)),
            "tier": self.tier,
            "subject": self.subject,
            "reason": self.reason,
            "guard": self.guard,
            "name": self.name,
            "limit": self.limit,
            "value": self.value,
            "tried": list(self.tried),
            "correlation_id": self.correlation_id,
            "event_id": self.event_id,
            "trace": self.trace,
            "acknowledge": self.acknowledge,
            "refuse": self.refuse or None,
        }


def _line(text: str) -> str:
    line = plain(text)
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"

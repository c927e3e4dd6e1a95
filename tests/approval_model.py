"""What a request for approval should be, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from antiphon.flow.approval import Approval


@dataclass
class ApprovalModel:
    """A request for approval."""

    tiers: Sequence[Sequence[str]]
    quorum: int
    otherwise: str
    state: str = "new"
    tier: int = 0
    agreed: int = 0
    answered: set[str] = field(default_factory=set)
    over: bool | None = False
    """Whether its time is over; None when it has all the time there is."""
    unanswered: bool = False
    """Whether the delivery was let through now, since nobody had answered."""

    @classmethod
    def of(cls, approval: Approval) -> ApprovalModel:
        return cls(approval.tiers, approval.quorum, approval.otherwise)

    @property
    def who(self) -> list[str]:
        """Who may answer; nobody: anybody."""
        return [name for tier in self.tiers[: self.tier] for name in tier]

    @property
    def ended(self) -> bool:
        """Whether the last of those who may have let their time go by."""
        return bool(self.over) and self.tier >= len(self.tiers)

    def look(self) -> str:
        """A worker looks at the delivery: it ``runs``, is ``given up``, or ``waits``."""
        self.unanswered = False
        if self.ended and self.otherwise != "escalate" and self.state == "pending":
            self.unanswered = self.otherwise == "proceed"
            self.state = "granted" if self.unanswered else "denied"
        if self.state in {"granted", "used"}:
            self.state = "used"
            return "runs"
        if self.state == "denied":
            return "given up"
        if self.ended:
            self.over = None
        elif self.over or self.state == "new":
            self.state, self.tier, self.over = "pending", self.tier + 1, False
        return "waits"

    def answer(self, by: str, *, grant: bool) -> str | None:
        """Returns what the request is then, or None when the answer does not count."""
        if self.state != "pending" or (self.ended and self.otherwise != "escalate"):
            return None
        if (self.who and by not in self.who) or by in self.answered:
            return None
        self.answered.add(by)
        self.agreed += grant
        if not grant:
            self.state = "denied"
        elif self.agreed >= self.quorum:
            self.state = "granted"
        return self.state

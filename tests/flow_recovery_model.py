"""What one recovery waits for and plans, in plain Python: timers, undoing, its verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

from quiescence_model import RecoveryModel, Written

Timer = tuple[str, str, str]
"""Kind, name, recovery."""


@dataclass
class FlowRecovery(RecoveryModel):
    """One recovery, with all that it plans."""

    cid: str = ""
    subject: str = ""
    type: str = ""
    parent: str = ""
    rolls_back: bool = True
    """Whether a partial one is rolled back."""
    timers: dict[Timer, bool] = field(default_factory=dict)
    """Every timer of the cell, and whether it is due."""
    suppressed: int = 0
    cancelled: bool = False
    undoing: str = ""
    undos: list[tuple[str, str]] = field(default_factory=list)
    """Group and id of what is to be undone, the last first undone."""
    undone: int = 0
    taken_back: set[str] = field(default_factory=set)
    """The steps of which nothing is left."""
    notundone: int = 0
    stalled: bool = False
    timed_out: set[str] = field(default_factory=set)
    outrun: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Which join does not need what any more, and since when: what came later is no loser."""
    later: dict[str, Written] = field(default_factory=dict)

    def reopen(self) -> None:
        if not self.open:
            self.timers["deadline", "", self.cid] = False
            self.stalled = False
        super().reopen()

    def await_(self, kind: str, name: str, *, last: str, due: bool = False) -> None:
        """Wait for a timer."""
        self.outstanding.add((kind, name, last))
        self.timers[kind, name, self.cid] = due

    def drop(self, kind: str, name: str, last: str) -> bool:
        """Wait for a timer no more; returns whether it was waited for."""
        self.timers.pop((kind, name, self.cid), None)
        waited = (kind, name, last) in self.outstanding
        self.outstanding.discard((kind, name, last))
        return waited

    def settle(self) -> str:
        if self.outstanding or not self.open:
            return ""
        verdict = self._verdict()
        if verdict == "completed":
            self.undos.clear()
        elif self.undos and self._takes_back(verdict):
            self.undoing = verdict
            self.await_("undo", str(len(self.undos)), last="", due=True)
            return ""
        self.undoing, self.open = "", False
        self.closings.append((verdict, self.done, self.dead, self.unanswered))
        self.timers.pop(("deadline", "", self.cid), None)
        if self.parent:
            self.timers["child", self.parent, self.cid] = True
        return verdict

    @property
    def stopped(self) -> bool:
        """Whether no further step of it is to start."""
        return self.cancelled or bool(self.undoing)

    @property
    def _faults(self) -> int:
        return self.dead + self.unanswered + self.unjoined + self.suppressed

    def _takes_back(self, verdict: str) -> bool:
        if verdict == "partial" and not self.undoing and not self._faults:
            return False
        return verdict != "partial" or self.rolls_back

    def _verdict(self) -> str:
        if self.undoing or self.cancelled:
            return self.undoing or "cancelled"
        if not self._faults and not self.taken_back:
            return "completed"
        return "partial" if self.done else "failed"

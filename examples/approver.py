"""The approver: the one person in these examples, who answers after the same time whoever asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from antiphon.broker.approvals import Approvals

NAME = "ana"
THINKS_SECONDS = 0.5
"""From the question, as seen here, to the answer: the same for every model."""

LOOKS_EVERY_SECONDS = 0.02


@dataclass(slots=True)
class Approver:
    """Answers every question with the same answer, as ``antiphon approve`` would."""

    approvals: Approvals
    grant: bool = True
    answered: dict[str, str] = field(default_factory=dict)
    """The step that each approval was asked for, by the approval's id."""

    gone: bool = False

    async def watch(self) -> None:
        """Look for questions and answer them, until told to go."""
        while not self.gone:
            for ask in await self.approvals.waiting():
                if ask.id not in self.answered:
                    await asyncio.sleep(THINKS_SECONDS)
                    reason = "the loss is known" if self.grant else "look for a better backup"
                    await self.approvals.answer(ask.id, by=NAME, grant=self.grant, reason=reason)
                    self.answered[ask.id] = ask.step
            await asyncio.sleep(LOOKS_EVERY_SECONDS)

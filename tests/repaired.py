"""What is broken until people repair it, and the replay of what died of it."""

from __future__ import annotations

from antiphon import PermanentError, Settings
from antiphon.broker.deadletters import DeadLetters
from antiphon.broker.errand import Errand
from witness import Witness


class Broken:
    """What does not work until it is repaired."""

    def __init__(self) -> None:
        self.repaired = False
        self.undone: list[str] = []

    def use(self) -> None:
        if not self.repaired:
            raise PermanentError("it is broken")


async def replay(settings: Settings, witness: Witness, group: str) -> None:
    """Replay the one dead letter of a group."""
    [letter] = [d for d in await witness.dead_letters() if d["deadgroup"] == group]
    async with Errand.begin(settings) as errand:
        found = await DeadLetters(errand).find(letter["entry"])
        assert found is not None
        await DeadLetters(errand).replay(found)

"""The stream of dead letters: looked through, delivered again, thrown away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from antiphon.broker.errand import Errand
from antiphon.broker.faults import ScriptFailed, group_lost, telling
from antiphon.broker.reading import read_ledger
from antiphon.broker.scripts import Call, script
from antiphon.deadletter import Choice, DeadLetter
from antiphon.duration import milliseconds
from antiphon.errors import AntiphonError
from antiphon.ledger import Kind
from antiphon.telemetry.logging import get_logger
from antiphon.trace.decisions import Discard

_PAGE = 100
"""Letters read in one round trip; each may hold a whole payload."""


_DROPPED_AT_ONCE = 500
"""Letters of one recovery that one script throws away; recoveries that are dealt with at once."""

_LOOKS_FOR_S = 1.0


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Some of the dead letters that were asked for."""

    found: tuple[DeadLetter, ...]
    before: str
    """Where the next page begins; empty when there is none."""


class NotReplayable(AntiphonError):
    """The dead letter cannot be delivered again."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of one cell.

    Raises:
        StreamUnavailable: from every method, when the server cannot be reached or cannot answer.
        ConfigurationError: from every method, when it refuses our name, password or permissions.
    """

    errand: Errand

    async def find(self, letter_id: str) -> DeadLetter | None:
        """One letter by its whole id."""
        found = await self._forward(letter_id, letter_id)
        return found[0] if found else None

    async def newest_first(self, choice: Choice, before: str = "") -> AsyncIterator[DeadLetter]:
        """Look through them from the one that died last, or from the one before a given id."""
        start = f"({before}" if before else "+"
        while page := await self._backward(start):
            for letter in page:
                if letter in choice:
                    yield letter
            start = f"({page[-1].id}"

    async def page(self, choice: Choice, before: str = "", limit: int = 50) -> LetterPage:
        """Some of them, from the one that died last or from the one before a given id.

        It looks for a second at most, and then says from where to look on.
        """
        began, start = time.monotonic(), f"({before}" if before else "+"
        found: list[DeadLetter] = []
        while some := await self._backward(start):
            for at, letter in enumerate(some):
                if letter not in choice:
                    continue
                if len(found) == limit:
                    last = some[at - 1].id if at else start[1:]
                    return LetterPage(tuple(found), last)
                found.append(letter)
            start = f"({some[-1].id}"
            if len(some) < _PAGE:
                break
            if time.monotonic() - began > _LOOKS_FOR_S:
                return LetterPage(tuple(found), some[-1].id)
        return LetterPage(tuple(found), "")

    async def oldest_first(self, choice: Choice) -> AsyncIterator[DeadLetter]:
        """Look through them from the one that died first, leaving out any that die meanwhile.

        A letter that is delivered again and dies again is another letter: whoever goes through all
        to deliver them again would never be through.
        """
        last = await self._backward("+", 1)
        end, start = last[0].id if last else "-", "-"
        while page := await self._forward(start, end):
            for letter in page:
                if letter in choice:
                    yield letter
            start = f"({page[-1].id}"

    async def replay(self, letter: DeadLetter, *, by: str = "", reason: str = "") -> str:
        """Deliver a letter again, to its group alone; its recovery is open until that is settled.

        Returns its entry id in the group's inbox. Repeating it changes nothing. Who did it is in
        the audit, if it is somebody.

        Raises:
            NotReplayable: its content was lost, its group is not registered any more, or somebody
                has dropped it.
        """
        if letter.flaw:
            raise NotReplayable(f"{letter.id} cannot be replayed: {letter.flaw}")
        completions = [part for pair in letter.completions().items() for part in pair]
        keys = self.errand.keys
        call = Call(
            script("replay"),
            (
                *keys.record(letter.correlation_id, letter.subject),
                keys.dead,
                keys.inbox(letter.group),
                keys.groups,
                keys.due(letter.group),
                keys.audit,
            ),
            (
                letter.correlation_id,
                milliseconds(self.errand.settings.record_retention),
                letter.id,
                letter.group,
                letter.type,
                letter.subject,
                letter.event,
                by,
                reason,
                *completions,
            ),
        )
        match await self._run(call, letter):
            case [1, entry]:
                _say_replayed(letter, entry.decode(), by, reason)
                return str(entry.decode())
            case [2]:
                return await self._replayed_before(letter)
        raise NotReplayable(
            f"{letter.id} cannot be replayed: its group {letter.group} is not registered. Run the "
            "service that has this handler, which registers it, or throw the letter away: "
            f"antiphon dead drop {letter.id}"
        )

    async def _run(self, call: Call, letter: DeadLetter) -> Any:
        try:
            return await self.errand.gatherer.run(call)
        except ScriptFailed as error:
            if not group_lost(error):
                raise
            raise NotReplayable(
                f"{letter.id} cannot be replayed: the server has lost the inbox of {letter.group} "
                f"({error}). Run the service that has this handler, which makes it again"
            ) from error

    async def drop(self, letters: Sequence[DeadLetter], *, by: str = "", reason: str = "") -> int:
        """Throw letters away for good; returns how many were still there.

        Who did it and why is in the records of their recoveries as far as these are kept, and in
        the audit, if it is somebody.
        """
        parts = [
            (recovery, found[start : start + _DROPPED_AT_ONCE])
            for recovery, found in _by_recovery(letters).items()
            for start in range(0, len(found), _DROPPED_AT_ONCE)
        ]
        dropped = 0
        for start in range(0, len(parts), _DROPPED_AT_ONCE):
            some = parts[start : start + _DROPPED_AT_ONCE]
            counts = await asyncio.gather(*(self._drop(*it, by, reason) for it in some))
            dropped += sum(counts)
        return dropped

    async def _drop(
        self, correlation_id: str, letters: Sequence[DeadLetter], by: str, reason: str
    ) -> int:
        keys, retention = self.errand.keys, self.errand.settings.record_retention
        call = Call(
            script("drop"),
            (*keys.record(correlation_id, letters[0].subject), keys.dead, keys.audit),
            (correlation_id, milliseconds(retention), by, reason, *(it.id for it in letters)),
        )
        dropped = {entry.decode() for entry in await self.errand.gatherer.run(call)}
        for letter in letters:
            if letter.id in dropped:
                get_logger().info(
                    "letter.discarded",
                    correlation_id=correlation_id,
                    group=letter.group,
                    event_id=letter.event,
                    dead_entry=letter.id,
                    by=by,
                    reason=reason,
                )
        return len(dropped)

    async def _replayed_before(self, letter: DeadLetter) -> str:
        """Tell a replay whose answer was lost on the way from a letter that is gone."""
        with telling(f"reading the recovery {letter.correlation_id}"):
            rows = await read_ledger(self.errand.client, self.errand.keys, letter.correlation_id)
        for row in rows:
            if row.kind == Kind.REPLAYED and row.text("dead") == letter.id:
                return row.text("entry")
            if row.kind == Kind.DISCARDED and row.text("dead") == letter.id:
                raise NotReplayable(f"{letter.id} cannot be replayed: {Discard.of(row)}")
        raise NotReplayable(f"{letter.id} cannot be replayed: it has just been dropped")

    async def _forward(self, start: str, end: str, count: int = _PAGE) -> list[DeadLetter]:
        client, dead = self.errand.client, self.errand.keys.dead
        return await _letters(client.xrange(dead, start, end, count))

    async def _backward(self, start: str, count: int = _PAGE) -> list[DeadLetter]:
        client, dead = self.errand.client, self.errand.keys.dead
        return await _letters(client.xrevrange(dead, start, "-", count))


def _by_recovery(letters: Sequence[DeadLetter]) -> dict[str, list[DeadLetter]]:
    found: dict[str, list[DeadLetter]] = {}
    for letter in {it.id: it for it in letters}.values():
        found.setdefault(letter.correlation_id, []).append(letter)
    return found


def _say_replayed(letter: DeadLetter, entry: str, by: str, reason: str) -> None:
    """Log who had a letter delivered again, so that the log tells what reopened its recovery."""
    get_logger().info(
        "letter.replayed",
        correlation_id=letter.correlation_id,
        event_id=letter.event,
        event_type=letter.type,
        subject=letter.subject,
        group=letter.group,
        entry_id=entry,
        dead_entry=letter.id,
        by=by,
        reason=reason,
    )


async def _letters(reading: Any) -> list[DeadLetter]:
    with telling("reading dead letters"):
        return [DeadLetter.from_row(entry_id, row) for entry_id, row in await reading]

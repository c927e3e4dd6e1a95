"""Deliveries taken up again: those whose instant has come, and those whose worker fell silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from antiphon.broker.gather import Gatherer
from antiphon.broker.scripts import Call, script

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Taken:
    """One delivery that is this consumer's now."""

    label: str
    entry_id: str
    fields: Mapping[bytes, bytes] | None
    """None when the entry was trimmed or deleted while it was pending: its content is lost."""


class Claims:
    """Takes deliveries up for one consumer."""

    def __init__(self, gatherer: Gatherer, consumer: str) -> None:
        self._gatherer = gatherer
        self._consumer = consumer

    async def ready(self, due_keys: Sequence[str]) -> list[int]:
        """Positions of the groups that have deliveries whose instant has come; one command."""
        reply = await self._gatherer.run(Call(script("peek"), due_keys, ()))
        return [position - 1 for position in reply]

    async def due(
        self, group: str, due_key: str, streams: Mapping[str, str], room: int
    ) -> list[Taken]:
        """Take at most `room` deliveries of a group whose instant has come."""
        call = Call(
            script("due"), (due_key, *streams.values()), (group, self._consumer, room, *streams)
        )
        reply = await self._gatherer.run(call)
        return [_taken(label.decode(), entry_id, fields) for label, entry_id, fields in reply]

    async def stale(self, places: Sequence[tuple[str, str]], *, idle_ms: int) -> list[int]:
        """Positions of the places, group and stream, where `silent` would look for something."""
        streams = [stream for _, stream in places]
        args: list[str | int] = [idle_ms, *(group for group, _ in places)]
        reply = await self._gatherer.run(Call(script("stale"), streams, args))
        return [position - 1 for position in reply]

    async def silent(
        self,
        group: str,
        due_key: str,
        streams: Mapping[str, str],
        *,
        idle_ms: int,
        room: int,
        held_by: str = "",
    ) -> list[Taken]:
        """Claim deliveries nobody has touched for `idle_ms`, but those waiting to be due.

        Args:
            group: the consumer group.
            due_key: where those wait that are due later.
            streams: the group's streams, by label.
            idle_ms: how long a delivery must have been untouched.
            room: how many to take at most.
            held_by: take only what this consumer holds.
        """
        taken: list[Taken] = []
        for label, stream in streams.items():
            start = "-"
            while start and len(taken) < room:
                most = min(_AT_ONCE, room - len(taken))
                args = (group, self._consumer, idle_ms, start, most, label, held_by)
                call = Call(script("claim"), (stream, due_key), args)
                after, *entries = await self._gatherer.run(call)
                taken += [_taken(label, entry_id, fields) for entry_id, fields in entries]
                start = after.decode()
        return taken

    async def give_back(
        self, group: str, due_key: str, label: str, stream: str, entry_id: str
    ) -> None:
        """Let others have a delivery at once that was read here and never admitted."""
        args = (group, self._consumer, entry_id, label)
        await self._gatherer.run(Call(script("giveback"), (stream, due_key), args))


def _taken(label: str, entry_id: bytes, fields: list[Any] | None) -> Taken:
    pairs = dict(zip(fields[::2], fields[1::2], strict=True)) if fields else None
    return Taken(label, entry_id.decode(), pairs)

"""The switches of a cell: pause a part of it, resume it, reset a guard.

Every switch leaves a row in the cell's audit stream, in the same step.
What a guard held is looked at again at once: workers take it up within a second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from antiphon.broker.clock import now_ms
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.groups import all_registered
from antiphon.broker.guardrows import KINDS, HeldDelivery, Indexed, pause_of
from antiphon.broker.inspection import held_deliveries, read_index, read_pauses
from antiphon.broker.scripts import Call, script
from antiphon.broker.wire import Command
from antiphon.errors import AntiphonError
from antiphon.guards.scope import Scope
from antiphon.guards.state import RELAPSE_GUARD, Pause, holds
from antiphon.trace.words import plain

_NEWEST = 1000
"""Recoveries of a subject that are looked at."""


class NotThere(AntiphonError):
    """What was to be resumed or reset is not there."""


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause, and whether it is a new one."""

    pause: Pause
    new: bool


@dataclass(frozen=True, slots=True)
class Resumed:
    """What came of ending a pause."""

    pause: Pause | None
    """None when it had been ended before, and only what it held was left."""

    forgotten: tuple[str, ...]
    """The relapse counts that begin anew, each ``type:subject``."""

    freed: int
    """Deliveries that were held."""


@dataclass(frozen=True, slots=True)
class Switch:
    """Pauses, resumes and resets for one person.

    Raises:
        StreamUnavailable: from every method, when the server cannot be reached or cannot answer.
        ConfigurationError: from every method, when it refuses our name, password or permissions.
    """

    errand: Errand
    by: str
    reason: str

    async def pause(self, scope: Scope) -> Paused:
        """Hold what begins in a part of the cell; a pause that is there stays as it is."""
        keys = self.errand.keys
        new, pause = await self.errand.gatherer.run(
            Call(script("pause"), (keys.pauses, keys.audit), (scope.field, self.by, self.reason))
        )
        return Paused(pause_of(scope.field, pause), bool(new))

    async def resume(self, scope: Scope) -> Resumed:
        """End a pause, and look again at what it held.

        A guard that paused by itself counts anew: it would pause again at once otherwise.
        Repeating it finishes what was interrupted.

        Raises:
            NotThere: there is no such pause.
        """
        keys = self.errand.keys
        with telling(f"reading the pause of {plain(str(scope))}"):
            (value,) = await self.errand.ask([("HGET", keys.pauses, scope.field)])
            known = pause_of(scope.field, value) if value is not None else None
            counts = await self._relapses(known) if known is not None else []
        logs = [keys.guard(one.kind, one.name) for one in counts]
        if scope.guard == "storm":
            logs.append(keys.storm)
        ended = await self.errand.gatherer.run(
            Call(
                script("resume"),
                (keys.pauses, keys.audit, keys.guards, *logs),
                (scope.field, self.by, self.reason, *(one.member for one in counts)),
            )
        )
        freed = await self._free(lambda held: holds(scope, held.guard, held.name))
        if ended is None and known is None and not freed:
            there = ", ".join(str(pause.scope) for pause in await self.pauses())
            paused = f"{scope} is not paused; " + (f"paused is: {there}" if there else "nothing is")
            raise NotThere(plain(paused))
        return Resumed(known, tuple(sorted({one.name for one in counts})), freed)

    async def reset(self, kind: str, name: str) -> int:
        """Make a guard forget what it knows; returns how many deliveries it held.

        Raises:
            NotThere: no guard of this kind and name has anything to forget.
        """
        keys = self.errand.keys
        with telling(f"resetting {plain(f'{kind} {name}')}"):
            (members,) = await self.errand.ask([("ZRANGE", keys.guards, 0, -1)])
            index = [one for one in map(Indexed.parse, members) if one is not None]
            ours = [one.member for one in index if (one.kind, one.name) == (kind, name)]
            state, queue = keys.guard(kind, name), keys.queue(kind, name)
            if kind not in KINDS or not (ours or await self._exists(state, queue)):
                raise NotThere(_unknown(kind, name, index))
        await self.errand.gatherer.run(
            Call(
                script("reset"),
                (keys.guards, keys.audit, state, queue),
                (f"{kind}|{name}", self.by, self.reason, *ours),
            )
        )
        return await self._free(lambda held: (held.guard, held.name) == (kind, name))

    async def pauses(self) -> tuple[Pause, ...]:
        """What is paused now, whoever did it."""
        with telling("reading the pauses"):
            return await read_pauses(self.errand)

    async def services(self) -> dict[str, list[str]]:
        """The handlers of the cell that are known, by service."""
        with telling("reading the groups"):
            groups = await all_registered(self.errand.client, self.errand.keys)
        found = defaultdict[str, list[str]](list)
        for group in groups:
            found[group.service].append(group.name)
        return {service: sorted(names) for service, names in sorted(found.items())}

    async def recoveries_about(self, subject: str) -> tuple[int, int]:
        """How many recoveries of a subject are on record, and how many of the newest are open."""
        keys = self.errand.keys
        index = keys.subject_recoveries(subject)
        with telling("reading the recoveries of the subject"):
            count, newest = await self.errand.ask(
                [("ZCARD", index), ("ZREVRANGE", index, 0, _NEWEST - 1)]
            )
            if not newest:
                return count, 0
            (opened,) = await self.errand.ask([("ZMSCORE", keys.open_recoveries, *newest)])
        return count, sum(one is not None for one in opened)

    async def _relapses(self, pause: Pause) -> list[Indexed]:
        """The counts that made the relapse guard pause."""
        if pause.by != RELAPSE_GUARD or pause.scope.subject is None:
            return []
        _, index = await read_index(self.errand)
        return [
            one
            for one in index
            if one.kind == "relapse" and one.name.partition(":")[2] == pause.scope.subject
        ]

    async def _exists(self, *keys: str) -> bool:
        (count,) = await self.errand.ask([("EXISTS", *keys)])
        return bool(count)

    async def _free(self, chosen: Callable[[HeldDelivery], bool]) -> int:
        """Make what is held due now; returns how many deliveries that were.

        Whoever holds a delivery gave it an instant before it was seen here, so none is missed.
        """
        freed = set[tuple[str, str, str]]()
        with telling("bringing forward what was held"):
            async for page in held_deliveries(self.errand):
                at_ms = await now_ms(self.errand.client)
                members = defaultdict[str, list[str | int]](list)
                for one in filter(chosen, page):
                    freed.add((one.label, one.entry_id, one.group))
                    members[one.group] += (at_ms, f"{one.label}|{one.entry_id}")
                commands: list[Command] = [
                    ("ZADD", self.errand.keys.due(group), "XX", "LT", *pairs)
                    for group, pairs in members.items()
                ]
                if commands:
                    await self.errand.ask(commands)
        return len(freed)


def _unknown(kind: str, name: str, index: Sequence[Indexed]) -> str:
    if kind not in KINDS:
        return f"there is no guard {plain(kind)!r} to reset; there is: {', '.join(KINDS)}"
    known = ", ".join(sorted({plain(one.name) for one in index if one.kind == kind}))
    return (
        f"no {kind} named {plain(name)!r} has anything to forget; there is: {known or 'none'}. "
        "antiphon guards shows them"
    )

"""Retiring a group: the handler behind it is gone, and nothing may wait for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from typing import cast

from redis.exceptions import ResponseError

from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.broker.groups import Group, all_registered
from antiphon.broker.scripts import Call, script
from antiphon.broker.wire import Command
from antiphon.duration import milliseconds
from antiphon_events import event_types

_PAGE = 200
"""Recoveries looked through in one round trip."""

_WHY = "the group was retired"
_NO_DELIVERY = frozenset({"later", "child", "undo"})
"""What a recovery waits for that belongs to no group."""


@dataclass(frozen=True, slots=True)
class Owed:
    """One delivery a recovery waits for."""

    correlation_id: str
    member: str
    """As the recovery names it: `label|entry|group`."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """The end of one group, in steps that can all be repeated.

    The registration goes last: a group whose retirement was interrupted is still listed, and
    retiring it again finishes the work.

    Raises:
        StreamUnavailable: from every method, when the server cannot be reached or cannot answer.
        ConfigurationError: from every method, when it refuses our name, password or permissions.
    """

    errand: Errand
    group: Group

    async def owed(self) -> list[Owed]:
        """Everything the cell's open recoveries wait for from this group."""
        client, keys = self.errand.client, self.errand.keys
        with telling(f"looking for what waits for {self.group.name}"):
            names = cast("list[bytes]", await client.zrange(keys.open_recoveries, 0, -1))
            found: list[Owed] = []
            for start in range(0, len(names), _PAGE):
                page = [name.decode() for name in names[start : start + _PAGE]]
                replies = await self.errand.ask(
                    [("SMEMBERS", keys.outstanding(name)) for name in page]
                )
                for name, members in zip(page, replies, strict=True):
                    found += [Owed(name, member) for member in self._ours(members)]
        return found

    async def carry_out(self) -> list[Owed]:
        """Retire the group; returns the deliveries that were settled by it.

        First nothing new may wait for it, then nobody may read for it, then what waits is settled.
        """
        with telling(f"retiring {self.group.name}"):
            await self._unsubscribe()
            await self._destroy()
        owed = await self.owed()
        settled = await asyncio.gather(*(self._settle(one) for one in owed))
        with telling(f"retiring {self.group.name}"):
            await self._forget()
        return list(compress(owed, settled))

    def _ours(self, members: list[bytes]) -> Iterator[str]:
        for member in sorted(members):
            name = member.decode()
            kind, _, rest = name.partition("|")
            if kind not in _NO_DELIVERY and rest.rpartition("|")[2] == self.group.name:
                yield name

    async def _unsubscribe(self) -> None:
        name = self.group.name
        await self.errand.ask([("SREM", key, name) for key in self.group.sets(self.errand.keys)])

    async def _destroy(self) -> None:
        """Destroy it on every stream it may ever have read, also by an older subscription."""
        keys, name = self.errand.keys, self.group.name
        everyone = await all_registered(self.errand.client, keys)
        labels = {*event_types(), *self.group.types}
        labels.update(kind for group in everyone for kind in group.types)
        commands: list[Command] = [
            ("XGROUP", "DESTROY", keys.events(label), name) for label in sorted(labels)
        ]
        for reply in await self.errand.wire.round_trip(commands):
            if isinstance(reply, ResponseError) and "requires the key to exist" not in str(reply):
                raise reply
        await self.errand.ask([("DEL", keys.inbox(name), keys.due(name))])

    async def _settle(self, owed: Owed) -> bool:
        settings, keys = self.errand.settings, self.errand.keys
        retention_ms = milliseconds(settings.record_retention)
        call = Call(
            script("resolve"),
            keys.record(owed.correlation_id, ""),
            (owed.correlation_id, retention_ms, owed.member, _WHY, 1),
        )
        settled, _ = await self.errand.gatherer.run(call)
        return bool(settled)

    async def _forget(self) -> None:
        keys, name = self.errand.keys, self.group.name
        await self.errand.ask([("ZREM", keys.workers, name), ("HDEL", keys.groups, name)])

"""Consumer groups: one for each handler, known to every publisher of the cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import orjson
from redis.asyncio import Redis

from antiphon.broker.gather import Gatherer
from antiphon.broker.scripts import Call, script
from antiphon.delivery import INBOX
from antiphon.handler import Handler
from antiphon.keys import Keys


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it is registered in the cell."""

    name: str
    service: str
    handler: str
    subscriptions: tuple[tuple[str, str | None], ...]
    """Event type and subject; None for any subject."""
    location: str
    registered: datetime
    brings: tuple[str, ...] = ()
    """The event types its handler says it publishes."""

    def to_json(self) -> bytes:
        """The description kept in the cell."""
        return orjson.dumps(
            {
                "service": self.service,
                "handler": self.handler,
                "subscriptions": self.subscriptions,
                "location": self.location,
                "registered": self.registered,
                "brings": self.brings,
            }
        )

    @classmethod
    def from_json(cls, name: str, text: bytes) -> Group:
        """Read a description back."""
        known = orjson.loads(text)
        return cls(
            name=name,
            service=known["service"],
            handler=known["handler"],
            subscriptions=tuple((kind, subject) for kind, subject in known["subscriptions"]),
            location=known["location"],
            registered=datetime.fromisoformat(known["registered"]),
            brings=tuple(known.get("brings", ())),
        )

    @classmethod
    def stranger(cls, name: str) -> Group:
        """A group of which the cell knows nothing but the name."""
        return cls(name, "", "", (), "", datetime.now(UTC))

    @property
    def types(self) -> tuple[str, ...]:
        """The event types it reads, each once."""
        return tuple(dict.fromkeys(kind for kind, _ in self.subscriptions))

    def streams(self, keys: Keys) -> dict[str, str]:
        """The key of each stream it reads, by label."""
        streams = {kind: keys.events(kind) for kind in self.types}
        return {**streams, INBOX: keys.inbox(self.name)}

    def sets(self, keys: Keys) -> set[str]:
        """The subscriber sets it is in."""
        return {keys.subscribers(kind, subject) for kind, subject in self.subscriptions}


def group_of(handler: Handler) -> Group:
    """A handler's group, as it is to be registered."""
    subscriptions: list[tuple[str, str | None]] = []
    for selector in handler.selectors:
        subjects: list[str | None] = [*sorted(selector.subjects)] or [None]
        subscriptions += [(selector.event.type, subject) for subject in subjects]
    return Group(
        name=handler.group,
        service=handler.service,
        handler=handler.name,
        subscriptions=tuple(dict.fromkeys(subscriptions)),
        location=handler.location,
        registered=datetime.now(UTC),
        brings=tuple(kind.type for kind in handler.signature.completions),
    )


async def register(
    client: Redis, gatherer: Gatherer, keys: Keys, group: Group, *, lost: bool = False
) -> int:
    """Make a group exist and be subscribed; returns how many of its streams were new to it.

    A new group begins at the oldest open recovery; a lost one begins again at the first entry, and
    admission skips what it has done before.
    """
    known = await registered(client, keys, group.name)
    joins = group.sets(keys)
    leaves = (known.sets(keys) if known else set()) - joins
    streams = group.streams(keys).values()
    return int(
        await gatherer.run(
            Call(
                script("register"),
                (keys.open_recoveries, keys.groups, *streams, *sorted(joins), *sorted(leaves)),
                (group.name, group.to_json(), len(streams), len(joins), int(lost)),
            )
        )
    )


async def registered(client: Redis, keys: Keys, name: str) -> Group | None:
    """A group's registration, or None."""
    text = cast("bytes | None", await client.hget(keys.groups, name))
    return Group.from_json(name, text) if text else None


async def all_registered(client: Redis, keys: Keys) -> list[Group]:
    """Every group of the cell, by name."""
    known = cast("Mapping[bytes, bytes]", await client.hgetall(keys.groups))
    return sorted(
        (Group.from_json(name.decode(), text) for name, text in known.items()),
        key=lambda group: group.name,
    )

"""The attendance: says which handlers this worker runs and what they do.

From it a deserted group can be told, and the choreography drawn from what runs.
The server's own list of consumers cannot: Redis 7.0 leaves out who waits for a first entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from antiphon.broker.parts import LARGEST_BYTES, describe, name_of
from antiphon.broker.scripts import Argument, Call, script
from antiphon.broker.session import Session
from antiphon.duration import milliseconds
from antiphon.flow.goal import Goal
from antiphon.handler import Handler
from antiphon.post import Post

if TYPE_CHECKING:
    from antiphon.choreography import Aim


class Attendance:
    """Answers for every group at work in this process, for two leases, four times over."""

    name = "attendance"

    def __init__(
        self, session: Session, posts: Mapping[str, Post], goals: Sequence[Goal] = ()
    ) -> None:
        self._session = session
        self._posts = posts
        self._goals = goals
        self._valid = 2 * session.settings.lease
        self._parts: dict[str, tuple[str, bytes]] = {}
        """By group: the name of its description, and the description."""
        self._told: frozenset[str] = frozenset()
        self.every = session.settings.lease / 2

    async def once(self) -> None:
        """Answer for what is at work now."""
        if self._posts:
            args: tuple[Argument, ...] = (milliseconds(self._valid), *self._posts)
            call = Call(script("attend"), (self._session.keys.workers,), args)
            await self._session.gatherer.run(call)
            await self._describe([post.handler for post in self._posts.values()])

    async def _describe(self, handlers: Sequence[Handler]) -> None:
        """Say what they do; a description that the cell has is named only."""
        new = [handler for handler in handlers if handler.group not in self._parts]
        if new:
            # It reads source files, and nobody waits for it.
            self._parts |= await asyncio.to_thread(_descriptions, new, self._goals)
        known = [self._parts[handler.group] for handler in handlers]
        parts = {
            name: b"" if name in self._told else text
            for name, text in known
            if 0 < len(text) <= LARGEST_BYTES
        }
        session = self._session
        if parts:
            complete = await describe(session.gatherer, session.keys, parts, self._valid)
            self._told = frozenset(parts) if complete else frozenset()


def _descriptions(
    handlers: Iterable[Handler], goals: Iterable[Goal]
) -> dict[str, tuple[str, bytes]]:
    from antiphon.choreography.aim import aim_of  # noqa: PLC0415  nobody waits for it here

    aims = tuple(map(aim_of, goals))
    return {handler.group: _described(handler, aims) for handler in handlers}


def _described(handler: Handler, aims: tuple[Aim, ...]) -> tuple[str, bytes]:
    """Describe a handler; one whose function is too strange to be read has no description."""
    from antiphon.choreography.part import part_of  # noqa: PLC0415  as above
    from antiphon.choreography.portable import Description  # noqa: PLC0415

    try:
        found = Description(part_of(handler), aims)
    except Exception:  # noqa: BLE001  annotations and sources are the author's, and may do anything
        return "", b""
    return name_of(handler.group, found.digest), found.to_json()

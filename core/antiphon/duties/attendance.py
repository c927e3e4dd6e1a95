"""The attendance: says which handlers this worker runs, so that a deserted group can be told.

The server's own list of consumers cannot: Redis 7.0 leaves out who waits for a first entry.
"""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.broker.scripts import Argument, Call, script
from antiphon.broker.session import Session
from antiphon.duration import milliseconds
from antiphon.post import Post


class Attendance:
    """Answers for every group at work in this process, for two leases, four times over."""

    name = "attendance"

    def __init__(self, session: Session, posts: Mapping[str, Post]) -> None:
        self._session = session
        self._posts = posts
        self._valid_ms = milliseconds(2 * session.settings.lease)
        self.every = session.settings.lease / 2

    async def once(self) -> None:
        """Answer for what is at work now."""
        if self._posts:
            args: tuple[Argument, ...] = (self._valid_ms, *self._posts)
            call = Call(script("attend"), (self._session.keys.workers,), args)
            await self._session.gatherer.run(call)
